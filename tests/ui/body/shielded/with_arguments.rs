use cancel_guarded::{CancellationToken, cancel_guarded};

async fn register() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    #[shielded(true)]
    register().await;
}

fn main() {}
