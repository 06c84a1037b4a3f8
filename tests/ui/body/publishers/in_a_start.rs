use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(start, state = self.state)]
    async fn start(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        self.state.publisher().publish();
        Ok(())
    }
}

fn main() {}
