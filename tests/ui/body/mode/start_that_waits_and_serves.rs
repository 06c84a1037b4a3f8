use std::io;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        tokio::select! {
            () = shutdown.cancelled() => return Err(io::ErrorKind::Interrupted.into()),
            connected = connect() => connected?,
        }
        tokio::spawn(self.state.serve(work(shutdown)));
        Ok(())
    }

    #[cancel_guarded(state = self.state)]
    async fn begin(&self, shutdown: CancellationToken) -> io::Result<()> {
        while connect().await.is_err() {
            if shutdown.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        tokio::spawn(self.state.serve(work(shutdown)));
        Ok(())
    }
}

/// It spawns nothing, and is not named as a start.
#[cancel_guarded(state = state)]
async fn relay(state: &StateCell, shutdown: CancellationToken) -> io::Result<()> {
    shutdown.cancelled().await;
    Ok(())
}

/// What it awaits is the service.
#[cancel_guarded(state = state)]
async fn start(state: &StateCell, shutdown: CancellationToken) -> io::Result<()> {
    serve_until(shutdown.cancelled()).await
}

async fn serve_until(_: impl Future<Output = ()>) -> io::Result<()> {
    Ok(())
}

async fn connect() -> io::Result<()> {
    Ok(())
}

async fn work(_: CancellationToken) {}

fn main() {}
