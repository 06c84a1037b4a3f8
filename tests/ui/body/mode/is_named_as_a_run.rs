use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn run(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        tick().await;
        Ok(())
    }
}

async fn tick() {}

fn main() {}
