//! An echo server that is cancelled before its start, during it, and while it serves a client.
//! Each `assert` checks what happened before it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StateCell, cancel_guarded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

#[derive(Default)]
struct Echo {
    state: StateCell,
}

impl Echo {
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        warm_up: Duration,
        shutdown: CancellationToken,
    ) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local = listener.local_addr()?;
        let accepting = accept_loop(listener, self.state.clone(), shutdown);
        tokio::spawn(self.state.serve(accepting)); // runs once the start has succeeded
        sleep(warm_up).await;
        Ok(local)
    }
}

async fn accept_loop(
    listener: TcpListener,
    state: StateCell,
    shutdown: CancellationToken,
) -> io::Result<()> {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (mut client, _) = accepted?;
        tokio::spawn(state.track(async move {
            let (mut reader, mut writer) = client.split();
            tokio::io::copy(&mut reader, &mut writer).await
        }));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("1. Cancelled before the start: the body never runs.");
    let (echo, shutdown) = (Echo::default(), CancellationToken::new());
    shutdown.cancel();
    assert!(echo.start(Duration::ZERO, shutdown).await.is_err());
    assert_eq!(echo.state.state(), Lifecycle::Failed);

    println!("2. Cancelled during the start: the start is refused.");
    let (echo, shutdown) = (Echo::default(), CancellationToken::new());
    let cancel = async { shutdown.cancel() };
    let start = echo.start(Duration::from_secs(3600), shutdown.clone());
    let (started, ()) = tokio::join!(start, cancel);
    assert!(started.is_err());
    assert_eq!(echo.state.state(), Lifecycle::Failed);

    println!("3. Cancelled while it runs: `cancel()` itself moves the state.");
    let (echo, shutdown) = (Echo::default(), CancellationToken::new());
    let address = echo.start(Duration::ZERO, shutdown.clone()).await?;
    let mut client = TcpStream::connect(address).await?;
    client.write_all(b"hello").await?;
    client.read_exact(&mut [0; 5]).await?;
    shutdown.cancel();
    assert_eq!(echo.state.state(), Lifecycle::Stopping);

    println!("4. The client does not hang up: the deadline drops it.");
    let ended = echo.state.stop_or_abort(sleep(Duration::from_millis(50)));
    assert_eq!(ended.await.unwrap_err().kind(), FailureKind::Dropped);
    assert_eq!(client.read(&mut [0; 5]).await?, 0);
    println!("All as expected.");
    Ok(())
}
