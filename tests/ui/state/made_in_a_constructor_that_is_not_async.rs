use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = state)]
    fn new(shutdown: CancellationToken) -> Result<Self, StartError> {
        let state = StateCell::new();
        tokio::spawn(state.serve(work(shutdown)));
        Ok(Self { state })
    }
}

async fn work(_: CancellationToken) {}

fn main() {}
