use cancel_guarded::{CancellationToken, cancel_guarded};

async fn port() -> u16 {
    80
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    drop(
        #[shielded]
        port().await,
    );
}

fn main() {}
