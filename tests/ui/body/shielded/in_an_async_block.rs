use cancel_guarded::{CancellationToken, cancel_guarded};

async fn register() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    tokio::spawn(async {
        #[shielded]
        register().await;
    });
}

fn main() {}
