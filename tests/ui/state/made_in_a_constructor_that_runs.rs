use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run, state = state)]
    async fn run(shutdown: CancellationToken) -> Result<Self, StartError> {
        let state = StateCell::new();
        shutdown.cancelled().await;
        Ok(Self { state })
    }
}

fn main() {}
