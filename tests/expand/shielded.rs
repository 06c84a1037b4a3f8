use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded(state = state, shielded)]
async fn start(state: &StateCell, shutdown: &CancellationToken) -> Option<()> {
    work().await;
    shutdown.run_until_cancelled(work()).await
}

async fn work() {}

pub fn run() {
    let state = StateCell::new();
    assert_eq!(now(start(&state, &CancellationToken::new())), Some(()));
    assert_eq!(state.state(), Lifecycle::Running);
}
