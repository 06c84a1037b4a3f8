use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    bind().await;
    let port = ;
}

fn main() {}
