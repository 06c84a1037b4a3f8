#![deny(unused)]

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<(), std::io::Error> {
    Ok(())
}

#[cancel_guarded]
async fn outer(shutdown: CancellationToken) -> Result<(), std::io::Error> {
    start(shutdown.clone());
    start(shutdown).await;
    Ok(())
}

fn main() {
    drop(outer(CancellationToken::new()));
}
