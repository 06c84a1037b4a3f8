use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        if let Err(error) = connect(shutdown).await {
            let _ = self.state.stop().await;
            return Err(error);
        }
        if let Err(error) = prepare().await {
            let _ = self.state.stop_or_abort(prepare()).await;
            return Err(error);
        }
        Ok(())
    }
}

async fn connect(_: CancellationToken) -> Result<(), StartError> {
    Ok(())
}

async fn prepare() -> Result<(), StartError> {
    Ok(())
}

fn main() {}
