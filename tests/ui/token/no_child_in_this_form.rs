use std::sync::Arc;

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: Arc<&CancellationToken>) {
    shutdown.cancel();
}

fn main() {}
