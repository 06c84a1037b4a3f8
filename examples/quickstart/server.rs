//! The service: sends every line back in capitals, once a directory has noted where it is.

use std::io;
use std::net::SocketAddr;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Server {
    pub(crate) state: StateCell,
    addr: SocketAddr,
    directory: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    pub(crate) fn new(addr: SocketAddr, directory: SocketAddr) -> Self {
        Self {
            state: StateCell::named("capitals"),
            addr,
            directory,
        }
    }

    /// Opens the port, registers with the directory, and serves until `shutdown` is cancelled.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(
        &self,
        shutdown: CancellationToken,
    ) -> Result<SocketAddr, ServerError> {
        let listener = TcpListener::bind(self.addr).await?;
        let local = listener.local_addr()?;
        // Accepts nobody before the start has succeeded, and is dropped if it does not.
        let accepting = accept_loop(listener, self.state.clone(), shutdown);
        tokio::spawn(self.state.serve(accepting));
        register(local, self.directory).await?;
        Ok(local)
    }
}

/// Connections are served in the name of the service, too: it has stopped when the last is done.
async fn accept_loop(
    listener: TcpListener,
    state: StateCell,
    shutdown: CancellationToken,
) -> io::Result<()> {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (client, _) = accepted?;
        tokio::spawn(state.serve(async {
            // Not returned: the trouble of one client is no failure of the service.
            if let Err(error) = capitalise(client).await {
                eprintln!("lost a client: {error}");
            }
        }));
    }
    Ok(())
}

/// Answers a client for as long as it likes.
async fn capitalise(client: TcpStream) -> io::Result<()> {
    let mut client = BufReader::new(client);
    while let Some(line) = hear(&mut client).await? {
        say(&mut client, &line.to_uppercase()).await?;
    }
    Ok(())
}

/// Tells the directory where to find us, and waits until it has noted that.
async fn register(local: SocketAddr, directory: SocketAddr) -> io::Result<()> {
    let mut directory = BufReader::new(TcpStream::connect(directory).await?);
    say(&mut directory, &local.to_string()).await?;
    match hear(&mut directory).await?.as_deref() {
        Some("noted") => Ok(()),
        answer => Err(io::Error::other(format!("not registered: {answer:?}"))),
    }
}

pub(crate) async fn say(peer: &mut BufReader<TcpStream>, line: &str) -> io::Result<()> {
    peer.write_all(format!("{line}\n").as_bytes()).await
}

/// The next line, or `None` if the peer has hung up.
pub(crate) async fn hear(peer: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = peer.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
