use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};

#[cancel_guarded(state = state)]
async fn start(state: StateCell, shutdown: CancellationToken) {
    tokio::spawn(async move {
        state.store(Lifecycle::Running);
        shutdown.cancelled().await;
    });
}

fn main() {}
