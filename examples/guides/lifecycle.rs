//! The states of a cell, one after the other.

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

#[cancel_guarded(state = state, restart)]
async fn start(
    state: &StateCell,
    shutdown: CancellationToken,
    ready: oneshot::Receiver<()>,
) -> Result<(), StartError> {
    let _ = ready.await;
    let serving = state.serve(shutdown.cancelled_owned());
    tokio::spawn(serving);
    Ok(())
}

#[tokio::test]
async fn a_life_and_a_refused_restart() {
    let state = StateCell::new();
    assert_eq!(state.state(), Lifecycle::Created);

    let (go, ready) = oneshot::channel();
    let token = CancellationToken::new();
    let mut starting = task::spawn(start(&state, token.clone(), ready));
    assert_pending!(starting.poll());
    assert_eq!(state.state(), Lifecycle::Starting);

    go.send(()).unwrap();
    assert_ready!(starting.poll()).unwrap();
    assert_eq!(state.state(), Lifecycle::Running);

    token.cancel();
    assert_eq!(state.state(), Lifecycle::Stopping);
    state.stopped().await.unwrap();
    assert_eq!(state.state(), Lifecycle::Stopped);

    // Again, under the same token, which is still cancelled.
    let (_go, ready) = oneshot::channel();
    let mut again = task::spawn(start(&state, token, ready));
    assert_eq!(assert_ready!(again.poll()), Err(StartError::Cancelled));
    assert_eq!(state.state(), Lifecycle::Failed);
}
