use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(restart)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
