use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<u16, std::io::Error> {
        let listener = tokio::net::TcpListener::bind("").await?;
        listener.
    }
}

fn main() {}
