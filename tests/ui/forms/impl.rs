use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

#[cancel_guarded(state = self.state)]
impl Service {
    async fn start(&self, _: CancellationToken) {}
}

fn main() {}
