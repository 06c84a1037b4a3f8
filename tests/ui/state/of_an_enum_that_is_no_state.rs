use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Up,
}

struct Service {
    state: StateCell<Phase>,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {}
}

fn main() {}
