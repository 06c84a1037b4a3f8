use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, _shutdown: CancellationToken) -> Result<(), StartError> {
        drop((
            #[detached]
            tokio::spawn(self.state.serve(work())),
        ));
        Ok(())
    }
}

async fn work() {}

fn main() {}
