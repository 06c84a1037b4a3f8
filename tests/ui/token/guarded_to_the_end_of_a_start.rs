use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let _guard = shutdown.clone().drop_guard();
        tokio::spawn(self.state.serve(shutdown.cancelled_owned()));
        Ok(())
    }
}

fn main() {}
