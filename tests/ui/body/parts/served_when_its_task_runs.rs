use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let state = self.state.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            state.serve(work(shutdown)).await
        });
        Ok(())
    }
}

async fn work(_: CancellationToken) {}

fn main() {}
