use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    let mut port = 0;
    #[shielded]
    let lease = acquire().await?;
    #[shielded]
    {
        acquire().await?;
    }
    #[shielded]
    port = acquire().await?;
    acquire().await?;
    #[shielded]
    match lease {
        0 => Ok(0),
        _ => acquire().await.map(|lease| lease + port),
    }
}

async fn acquire() -> Result<u16, StartError> {
    Ok(40)
}

pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
