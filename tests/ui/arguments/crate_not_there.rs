use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

#[cancel_guarded(crate = ::guard)]
async fn start(shutdown: CancellationToken) {
    bind().await;
    bind().await;
}

fn main() {}
