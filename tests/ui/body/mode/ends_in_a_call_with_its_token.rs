use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        monitor(shutdown).await
    }
}

async fn monitor(_: CancellationToken) -> Result<(), StartError> {
    Ok(())
}

fn main() {}
