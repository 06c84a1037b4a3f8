use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

async fn serve() -> u16 {
    80
}

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) {
        tokio::spawn(self.state.serve(serve()));
    }
}

fn main() {}
