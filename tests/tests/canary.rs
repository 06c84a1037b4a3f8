//! What the guard rests on in tokio-util's `CancellationToken`, beyond what its documentation
//! promises: `cancel()` sets the flags of the token and of all its descendants, and then, holding
//! no lock, wakes all of their waiters before it returns. A release of tokio-util that changes one
//! of these facts fails here.
//!
//! The facts themselves are in a file of the library, whose unit tests assert them of the model
//! that stands in for the token under loom.

#[path = "../../runtime/src/model_token/facts.rs"]
mod facts;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;

use cancel_guarded::{CancellationToken, Lifecycle};
use cancel_guarded_tests::{Service, now, running_service};

facts::test_facts!(CancellationToken);

#[test]
fn the_cell_has_moved_once_cancel_has_returned() {
    type Cancelled = fn(&CancellationToken) -> CancellationToken;
    let kinds: [(&str, Cancelled); 3] = [
        ("own token", Clone::clone),
        ("child", CancellationToken::child_token),
        ("grandchild", |token| token.child_token().child_token()),
    ];
    for (kind, derive) in kinds {
        let token = CancellationToken::new();
        let service = Service::new();
        now(service.start(derive(&token), async { Ok(()) })).expect("an empty body starts");
        token.cancel();
        assert_eq!(service.state.state(), Lifecycle::Stopped, "{kind}");
    }
}

#[test]
fn a_thousand_cells_have_moved_once_cancel_has_returned() {
    let token = CancellationToken::new();
    let services: Vec<_> = (0..1000)
        .map(|_| {
            let service = Service::new();
            now(service.start(token.clone(), async { Ok(()) })).expect("an empty body starts");
            service
        })
        .collect();
    token.cancel();
    for (i, service) in services.iter().enumerate() {
        assert_eq!(service.state.state(), Lifecycle::Stopped, "cell {i}");
    }
}

#[test]
fn the_cell_has_moved_for_the_thread_that_cancels() {
    for _ in 0..200 {
        let (service, token) = running_service();
        let seen = thread::scope(|scope| {
            let cancelling = scope.spawn(|| {
                token.cancel();
                service.state.state()
            });
            cancelling.join().expect("the cancelling thread ends")
        });
        assert_eq!(seen, Lifecycle::Stopped, "seen right after cancel()");
    }
}

/// The wait does not take part in tokio's cooperative budget. If it did, it would be pending without
/// having registered its waker in a task that has spent its budget.
#[tokio::test]
async fn a_wait_registers_without_budget() {
    let (service, token) = (Service::new(), CancellationToken::new());
    poll_fn(|cx| {
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        let started = pin!(service.start(token.clone(), async { Ok(()) })).poll(cx);
        assert!(started.is_ready());
        Poll::Ready(())
    })
    .await;
    token.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}
