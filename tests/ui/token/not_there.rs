use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(token = shutdwn)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
