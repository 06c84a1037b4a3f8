//! The program of the README: serves lines in capitals until Ctrl-C.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

struct Server {
    state: StateCell,
}

impl Server {
    /// Returns when the server is up.
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let local = listener.local_addr()?;
        tokio::spawn(
            self.state
                .serve(accept_loop(listener, self.state.clone(), shutdown)),
        );
        Ok(local)
    }
}

async fn accept_loop(
    listener: TcpListener,
    state: StateCell,
    shutdown: CancellationToken,
) -> io::Result<()> {
    while let Some(client) = shutdown.run_until_cancelled(listener.accept()).await {
        let (client, _) = client?;
        tokio::spawn(state.track(converse(client)));
    }
    Ok(())
}

async fn converse(mut client: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = client.split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = line.to_uppercase() + "\n";
        writer.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let state = StateCell::named("capitals");
    let server = Server {
        state: state.clone(),
    };
    let shutdown = CancellationToken::new();

    let cancel = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        cancel.cancel(); // no start under this token succeeds from here on
    });

    println!("serving at {}", server.start(shutdown.clone()).await?);
    shutdown.run_until_cancelled(state.stopped()).await; // until Ctrl-C, or until it fails
    let deadline = tokio::time::sleep(Duration::from_secs(10));
    state.stop_or_abort(deadline).await?; // Ok if all clients were gone in time
    Ok(())
}
