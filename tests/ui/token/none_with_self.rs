use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
    shutdown: CancellationToken,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self) {}
}

fn main() {}
