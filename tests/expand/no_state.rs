use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    bind().await;
    Ok(bind().await)
}

async fn bind() -> u16 {
    80
}

pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
