use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let _guard = shutdown.clone().drop_guard();
        shutdown.cancelled().await;
        Ok(())
    }
}

fn main() {}
