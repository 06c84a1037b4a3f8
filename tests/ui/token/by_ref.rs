use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(ref shutdown: CancellationToken) {
    let _ = shutdown;
}

fn main() {}
