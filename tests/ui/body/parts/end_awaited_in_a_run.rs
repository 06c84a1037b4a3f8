use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        self.state.store(Lifecycle::Running);
        self.state.stop().await;
        Ok(())
    }
}

fn main() {}
