use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state, shielded)]
    async fn start(&self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }
}

fn main() {}
