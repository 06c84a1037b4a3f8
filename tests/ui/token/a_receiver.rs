use cancel_guarded::cancel_guarded;
use tokio::sync::watch::Receiver;

#[cancel_guarded(token = shutdown)]
async fn start(shutdown: Receiver<bool>) {}

fn main() {}
