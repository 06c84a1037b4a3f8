use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        let up = self.state.publisher();
        tokio::spawn(self.state.serve(async move {
            up.publish();
        }));
        Ok(())
    }
}

fn main() {}
