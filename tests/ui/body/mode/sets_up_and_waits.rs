use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn listen(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let listener = bind().await?;
        accept(listener, shutdown).await
    }

    #[cancel_guarded(start, state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        bind().await?;
        shutdown.cancelled().await;
        Ok(())
    }
}

async fn bind() -> Result<u16, StartError> {
    Ok(80)
}

async fn accept(_: u16, _: CancellationToken) -> Result<(), StartError> {
    Ok(())
}

fn main() {}
