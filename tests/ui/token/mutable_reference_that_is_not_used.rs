use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: Option<&mut CancellationToken>) {}

fn main() {}
