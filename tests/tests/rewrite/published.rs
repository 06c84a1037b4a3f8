//! Once a `run` has published, nothing interrupts or re-checks its body.

use cancel_guarded::{CancellationToken, Lifecycle, cancel_guarded};
use cancel_guarded_tests::CANCELLED;
use tokio_test::{assert_pending, assert_ready, task};

use crate::desk::{Desk, Returns};

use Lifecycle::{Failed, Running, Stopped, Stopping};

#[cancel_guarded(run, state = desk.state)]
async fn run(desk: &Desk, shutdown: CancellationToken) -> Returns {
    desk.begins(()).await;
    desk.waits(()).await;
    desk.state.store(Running);
    desk.cancels(()).await;
    desk.line("behind");
    #[shielded]
    desk.begins(()).await;
    let seven = tokio::select! { seven = desk.waits(7) => seven };
    desk.line("end");
    Ok(seven)
}

#[test]
fn nothing_is_rechecked_after_publication() {
    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    let mut running = task::spawn(run(&desk, token));
    assert_pending!(running.poll());
    desk.go_on();
    assert_pending!(running.poll());
    assert_eq!(desk.state.state(), Stopping);
    assert_eq!(desk.lines.all(), ["begun", "done", "behind", "begun"]);
    desk.go_on();
    assert_eq!(assert_ready!(running.poll()), Ok(7));
    assert_eq!(desk.lines.all()[4..], ["done", "end"]);
    assert_eq!(desk.state.state(), Stopped);
}

#[test]
fn until_then_it_is_interrupted() {
    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    let mut running = task::spawn(run(&desk, token.clone()));
    assert_pending!(running.poll());
    token.cancel();
    desk.go_on();
    assert_eq!(assert_ready!(running.poll()), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["begun"]);
    assert_eq!(desk.state.state(), Failed);
}
