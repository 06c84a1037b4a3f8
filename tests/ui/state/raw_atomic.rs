use std::sync::atomic::{AtomicU8, Ordering};

use cancel_guarded::{CancellationToken, cancel_guarded};

struct Service {
    state: AtomicU8,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store(1, Ordering::SeqCst);
    }
}

fn main() {}
