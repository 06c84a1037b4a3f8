use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(crate = 7)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
