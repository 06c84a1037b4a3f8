use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store("running");
    }
}

fn main() {}
