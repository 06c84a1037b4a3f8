use cancel_guarded::{CancellationToken, cancel_guarded};

#[tokio::main(flavor = "current_thread")]
#[cancel_guarded]
async fn start(shutdown: CancellationToken) {}

fn main() {}
