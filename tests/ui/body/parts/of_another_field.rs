use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
    other: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        tokio::spawn(self.other.serve(work(shutdown)));
        Ok(())
    }
}

async fn work(_: CancellationToken) {}

fn main() {}
