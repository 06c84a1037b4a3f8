use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        loop {
            tick().await;
        }
    }
}

async fn tick() {}

fn main() {}
