use cancel_guarded::{CancellationToken, cancel_guarded};
use tokio::task::JoinHandle;

#[cancel_guarded]
fn start(shutdown: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(shutdown.cancelled_owned())
}

fn main() {}
