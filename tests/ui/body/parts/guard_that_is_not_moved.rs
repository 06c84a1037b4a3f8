use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let guard = self.state.serve_guard();
        std::thread::spawn(move || {
            let _ = guard;
            work(shutdown);
        });
        let part = self.state.serve_guard();
        tokio::spawn(async move {
            let _ = part;
            tokio::task::yield_now().await;
        });
        Ok(())
    }
}

fn work(_: CancellationToken) {}

fn main() {}
