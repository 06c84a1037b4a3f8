use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(start, state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        shutdown.cancelled().await;
        Ok(())
    }
}

fn main() {}
