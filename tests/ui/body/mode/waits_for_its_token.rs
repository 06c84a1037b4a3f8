use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tick() => {}
            }
        }
        flush().await;
        Ok(())
    }
}

async fn tick() {}

async fn flush() {}

fn main() {}
