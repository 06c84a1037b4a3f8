use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(request: CancellationToken, shutdown: &CancellationToken) {}

fn main() {}
