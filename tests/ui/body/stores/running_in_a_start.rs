use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        self.state.store(Lifecycle::Running);
        Ok(())
    }
}

fn main() {}
