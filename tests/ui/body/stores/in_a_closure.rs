use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        let up = || self.state.store(Lifecycle::Running);
        up();
    }
}

fn main() {}
