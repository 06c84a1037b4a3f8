use std::sync::Mutex;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: Mutex<StateCell>,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {}
}

fn main() {}
