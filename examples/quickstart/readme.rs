//! The program of the README: sends back what it receives until Ctrl-C or SIGTERM.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;
use tokio::time::sleep;

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
        let shutdown = shutdown.clone(); // ends idle clients
        tokio::spawn(state.track(async move {
            // one client: its error fails nothing
            let (mut reader, mut writer) = client.split();
            let copying = tokio::io::copy(&mut reader, &mut writer);
            shutdown.run_until_cancelled(copying).await.transpose()
        }));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (echo, shutdown) = (Echo::default(), CancellationToken::new());
    let (state, cancel) = (echo.state.clone(), shutdown.clone());
    tokio::spawn(async move {
        signal().await;
        cancel.cancel(); // from here on, no start under this token succeeds
        signal().await;
        state.stop_or_abort(sleep(Duration::from_secs(1))).await // the earlier deadline wins
    });

    println!("serving at {}", echo.start(shutdown.clone()).await?);
    shutdown.run_until_cancelled(echo.state.stopped()).await; // until a signal, or a failure
    let deadline = sleep(Duration::from_secs(10));
    Ok(echo.state.stop_or_abort(deadline).await?)
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
