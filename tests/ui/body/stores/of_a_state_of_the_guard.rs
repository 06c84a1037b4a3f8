use cancel_guarded::{CancellationToken, Lifecycle, State, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store(Lifecycle::Starting);
        self.state.store(Lifecycle::FAILED);
    }
}

fn main() {}
