use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: Box<CancellationToken>) {}

fn main() {}
