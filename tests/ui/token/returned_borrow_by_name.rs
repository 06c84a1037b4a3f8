use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use tokio_util::sync::WaitForCancellationFuture;

#[cancel_guarded]
async fn start<'a>(
    port: &'a u16,
    shutdown: &'a CancellationToken,
) -> Result<WaitForCancellationFuture<'a>, StartError> {
    Ok(shutdown.cancelled())
}

fn main() {}
