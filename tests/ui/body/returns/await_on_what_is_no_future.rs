use cancel_guarded::{CancellationToken, cancel_guarded};

fn bind() -> u16 {
    80
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    let port: u16 = bind().await;
    bind().await;
}

fn main() {}
