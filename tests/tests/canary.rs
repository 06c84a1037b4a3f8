//! What the hook rests on in tokio-util, beyond what its documentation promises: `cancel()`
//! raises the flags of the token and of all its descendants, and then, holding no lock, wakes
//! all of their waiters before it returns. A release that changes this must fail here.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;

use cancel_guarded::{CancellationToken, Lifecycle};
use cancel_guarded_tests::{Count, Flag, Log, Service, now, on_wake, running_service};

/// Whether a waiter of `waited` is woken before `cancelled.cancel()` has returned.
fn wakes_inside(cancelled: &CancellationToken, waited: &CancellationToken) -> bool {
    let woken = Flag::default();
    let waker = on_wake({
        let woken = woken.clone();
        move || woken.set()
    });
    let mut wait = pin!(waited.cancelled());
    let pending = wait.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending(), "nothing is cancelled yet");
    cancelled.cancel();
    woken.is_set()
}

#[test]
fn own_waiters_wake_inside_cancel() {
    let token = CancellationToken::new();
    assert!(wakes_inside(&token, &token), "own token");
}

#[test]
fn a_childs_waiters_wake_inside_cancel() {
    let token = CancellationToken::new();
    assert!(wakes_inside(&token, &token.child_token()), "child");
}

#[test]
fn a_grandchilds_waiters_wake_inside_cancel() {
    let token = CancellationToken::new();
    let child = token.child_token();
    assert!(wakes_inside(&token, &child.child_token()), "grandchild");
}

#[test]
fn a_grandchild_wakes_though_the_child_between_is_gone() {
    let token = CancellationToken::new();
    let grandchild = token.child_token().child_token();
    assert!(wakes_inside(&token, &grandchild), "adopted grandchild");
}

#[test]
fn a_thousand_waiters_wake_inside_cancel() {
    let token = CancellationToken::new();
    let woken = Count::default();
    let waker = on_wake({
        let woken = woken.clone();
        move || woken.add()
    });
    // Half of them on the token itself, half on children: both are many batches of 32.
    let mut waits: Vec<_> = (0..1000)
        .map(|i| {
            if i % 2 == 0 {
                token.clone()
            } else {
                token.child_token()
            }
        })
        .map(|waited| Box::pin(waited.cancelled_owned()))
        .collect();
    for wait in &mut waits {
        let pending = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending(), "nothing is cancelled yet");
    }
    token.cancel();
    assert_eq!(woken.get(), 1000, "every waiter woke inside cancel()");
}

#[test]
fn a_childs_waker_may_lock_the_root() {
    // Up to 0.7.19 this deadlocked: descendants were woken under their ancestors' locks.
    let root = CancellationToken::new();
    let child = root.child_token();
    let seen = Log::default();
    let waker = on_wake({
        let (root, seen) = (root.clone(), seen.clone());
        move || seen.push((root.is_cancelled(), root.child_token().is_cancelled()))
    });
    let mut wait = pin!(child.cancelled());
    let pending = wait.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending(), "nothing is cancelled yet");
    root.cancel();
    assert_eq!(seen.all(), [(true, true)], "woken once, the root flagged");
}

#[test]
fn every_flag_is_up_before_the_first_waker_runs() {
    let root = CancellationToken::new();
    let tokens = [
        root.clone(),
        root.child_token(),
        root.child_token().child_token(),
    ];
    let seen = Log::default();
    let mut waits = Vec::new();
    for token in &tokens {
        let waker = on_wake({
            let (tokens, seen) = (tokens.clone(), seen.clone());
            move || seen.push(tokens.iter().all(CancellationToken::is_cancelled))
        });
        let mut wait = Box::pin(token.clone().cancelled_owned());
        let pending = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending(), "nothing is cancelled yet");
        waits.push(wait);
    }
    root.cancel();
    assert_eq!(
        seen.all(),
        [true; 3],
        "all three woke to a fully flagged tree"
    );
}

#[test]
fn waiters_of_one_token_wake_in_the_order_they_came() {
    let token = CancellationToken::new();
    let order = Log::default();
    let mut waits = Vec::new();
    for i in 0..100 {
        let waker = on_wake({
            let order = order.clone();
            move || order.push(i)
        });
        let mut wait = Box::pin(token.clone().cancelled_owned());
        let pending = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending(), "nothing is cancelled yet");
        waits.push(wait);
    }
    token.cancel();
    assert_eq!(
        order.all(),
        (0..100).collect::<Vec<_>>(),
        "first come, first woken"
    );
}

#[test]
fn one_poll_of_cancelled_checks_and_registers() {
    let token = CancellationToken::new();
    token.cancel();
    now(token.cancelled());
}

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
        assert_eq!(service.state.state(), Lifecycle::Stopping, "{kind}");
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
        assert_eq!(service.state.state(), Lifecycle::Stopping, "cell {i}");
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
        assert_eq!(seen, Lifecycle::Stopping, "seen right behind cancel()");
    }
}

/// A task that has spent its budget registers all the same: the wait is no resource of tokio's that
/// asks for it. If it did, a start in such a task would have no hook.
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
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}
