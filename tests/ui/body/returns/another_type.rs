use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

async fn bind() -> u16 {
    80
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    bind().await
}

fn main() {}
