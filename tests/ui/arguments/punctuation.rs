use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(shielded, ; restart)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
