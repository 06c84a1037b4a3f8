use cancel_guarded::{CancellationToken, cancel_guarded};

async fn register() {}

#[cancel_guarded(shielded)]
async fn start(shutdown: CancellationToken) {
    #[shielded]
    register().await;
}

fn main() {}
