use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    #[shielded]
    async fn register() {}
    register().await;
}

fn main() {}
