use cancel_guarded::{Lifecycle, StateCell};

struct Service {
    state: StateCell,
}

impl Service {
    fn stop(&self) {
        self.state.store(Lifecycle::Stopped);
    }
}

fn main() {}
