use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(timeout = 5)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
