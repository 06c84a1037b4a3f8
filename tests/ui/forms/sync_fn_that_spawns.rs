use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

async fn serve(_: CancellationToken) {}

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    fn start(&self, shutdown: CancellationToken) {
        tokio::spawn(serve(shutdown));
    }
}

fn main() {}
