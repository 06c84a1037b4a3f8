use cancel_guarded::{CancellationToken, State, StateCell, cancel_guarded};

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, stopped)]
    Idle,
    #[state(starting)]
    Opening,
    #[state(running)]
    Up,
    #[state(failed)]
    Broken,
}

struct Service {
    state: StateCell<Phase>,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        self.state.store(Phase::Up);
    }
}

fn main() {}
