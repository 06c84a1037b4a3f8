use std::sync::atomic::Ordering;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store(Lifecycle::Running, Ordering::SeqCst);
    }
}

fn main() {}
