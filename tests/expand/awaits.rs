use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    bind(bind(1).await?).await?;
    tokio::try_join!(bind(2), bind(3))?;
    let (left, right) = tokio::join!(bind(4), bind(5));
    let mut port = left? + right?;
    while port < 80 {
        tokio::select! {
            more = bind(port) => port += more?,
        }
    }
    for _ in 0..2 {
        drop(bind(6).await);
    }
    let later = async { bind(7).await };
    let closure = || async { bind(8).await };
    if let Ok(9) = bind(9).await {
        drop(later.await);
    } else {
        drop(closure().await);
    }
    bind(port).await
}

async fn bind(port: u16) -> Result<u16, StartError> {
    Ok(port)
}

pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(144));
}
