use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: &mut CancellationToken) {
    shutdown.cancel();
}

fn main() {}
