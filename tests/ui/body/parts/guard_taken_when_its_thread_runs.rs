use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let state = self.state.clone();
        std::thread::spawn(move || {
            let _guard = state.serve_guard();
            work(shutdown);
        });
        let state = self.state.clone();
        tokio::task::spawn_blocking(move || {
            let guard = state.serve_guard();
            while !guard.token().is_cancelled() {}
        });
        Ok(())
    }
}

fn work(_: CancellationToken) {}

fn main() {}
