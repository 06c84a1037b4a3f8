use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store(Lifecycle::Running);
    }
}

fn main() {}
