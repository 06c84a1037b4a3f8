use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> u16 {
    bind().await;
    80
}

fn main() {}
