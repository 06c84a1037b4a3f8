use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
    other: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.other)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        tokio::spawn(self.state.serve(work(shutdown)));
        Ok(())
    }
}

async fn work(_: CancellationToken) {}

fn main() {}
