use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
const async fn start(shutdown: &CancellationToken) {}

fn main() {}
