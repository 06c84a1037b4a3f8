//! The program of the README: sends back what it receives until Ctrl-C.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;

#[derive(Default)]
struct Echo {
    state: StateCell,
}

impl Echo {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local = listener.local_addr()?;
        let accepting = accept_loop(listener, self.state.clone(), shutdown);
        tokio::spawn(self.state.serve(accepting)); // the service itself
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
            // one client: its error fails nothing
            let (mut reader, mut writer) = client.split();
            tokio::io::copy(&mut reader, &mut writer).await
        }));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = CancellationToken::new();
    let cancel = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        cancel.cancel(); // from here on, no start under this token succeeds
    });

    let echo = Echo::default();
    println!("serving at {}", echo.start(shutdown.clone()).await?);
    shutdown.run_until_cancelled(echo.state.stopped()).await; // until Ctrl-C, or a failure
    let deadline = tokio::time::sleep(Duration::from_secs(10));
    Ok(echo.state.stop_or_abort(deadline).await?)
}
