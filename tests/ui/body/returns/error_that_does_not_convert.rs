use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

async fn bind() -> Result<u16, std::fmt::Error> {
    Ok(80)
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    let port = bind().await?;
    Ok(port)
}

fn main() {}
