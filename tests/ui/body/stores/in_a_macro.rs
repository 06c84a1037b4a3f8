use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};

async fn ready() {}

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = ready() => self.state.store(Lifecycle::Running),
        }
    }
}

fn main() {}
