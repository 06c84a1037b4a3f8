use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

async fn bind() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<(), StartError> {
    bind().await;
}

fn main() {}
