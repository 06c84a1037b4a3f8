use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = StateCell::new())]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        tokio::spawn(self.state.serve(work(shutdown)));
        Ok(())
    }
}

#[cancel_guarded(state = StateCell::<Lifecycle>::named("mailer"))]
async fn start(shutdown: CancellationToken) -> Result<(), StartError> {
    work(shutdown).await;
    Ok(())
}

async fn work(_: CancellationToken) {}

fn main() {}
