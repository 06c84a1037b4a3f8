use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(state = running)]
async fn start(running: Arc<AtomicBool>, shutdown: CancellationToken) {}

fn main() {}
