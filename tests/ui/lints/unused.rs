#![deny(unused)]

use cancel_guarded::{CancellationToken, cancel_guarded};

#[must_use]
struct Port;

async fn bind() -> Result<Port, std::io::Error> {
    Ok(Port)
}

async fn port() -> Port {
    Port
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<(), std::io::Error> {
    let unused_variable = bind().await?;
    let mut unused_mut = bind().await?;
    drop(unused_mut);
    bind().await;
    port().await;
    bind().await?;
    return Ok(());
    drop(shutdown);
}

fn main() {
    drop(start(CancellationToken::new()));
}
