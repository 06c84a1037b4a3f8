use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run)]
    async fn run(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        connect().await;
        self.state.store(Lifecycle::Running);
        shutdown.cancelled().await;
        self.state.store(Lifecycle::Stopping);
        Ok(())
    }
}

async fn connect() {}

fn main() {}
