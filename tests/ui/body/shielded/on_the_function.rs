use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
#[shielded]
async fn start(shutdown: CancellationToken) {}

fn main() {}
