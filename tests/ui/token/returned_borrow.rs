use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: &CancellationToken) -> Result<&CancellationToken, StartError> {
    Ok(shutdown)
}

fn main() {}
