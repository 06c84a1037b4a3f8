use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(restart, state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let _ = self.state.stopped().await;
        connect(shutdown).await;
        Ok(())
    }
}

async fn connect(_: CancellationToken) {}

fn main() {}
