use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

async fn bind() -> u16 {
    80
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    match shutdown.run_until_cancelled(bind()).await {
        Some(port) => Ok(port),
        None => Err(StartError::Cancelled),
    }
}

fn main() {}
