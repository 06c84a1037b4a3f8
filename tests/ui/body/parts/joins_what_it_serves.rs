use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(start, state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let task = tokio::spawn(self.state.serve(work(shutdown)));
        let _ = task.await;
        Ok(())
    }
}

async fn work(_: CancellationToken) {}

fn main() {}
