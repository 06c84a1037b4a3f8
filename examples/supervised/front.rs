//! The second service: offers the database over TCP, as `get KEY` and `set KEY VALUE`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, NotRunning, StartError, StateCell, cancel_guarded};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::database::{Database, NoReply};
use crate::phase::Phase;

pub(crate) struct Front {
    pub(crate) state: StateCell<Phase>,
    database: Arc<Database>,
    addr: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error("database: {0}")]
    NoDatabase(#[from] NotRunning),
    #[error("the database has ended")]
    DatabaseEnded,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Front {
    pub(crate) fn new(database: &Arc<Database>, addr: SocketAddr) -> Self {
        Self {
            state: StateCell::named("front"),
            database: Arc::clone(database),
            addr,
        }
    }

    /// Waits for the database, opens the port, and serves until `shutdown` is cancelled. Fails when
    /// the database ends.
    #[cancel_guarded(state = self.state, restart)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> Result<(), FrontError> {
        self.database.state.running().await?;
        // Bound at this call to the attempt that is running.
        let database_ended = self.database.state.stopped();
        let listener = TcpListener::bind(self.addr).await?;

        let stop = shutdown.clone();
        tokio::spawn(self.state.serve(async move {
            match stop.run_until_cancelled(database_ended).await {
                Some(_) => Err(FrontError::DatabaseEnded),
                None => Ok(()),
            }
        }));
        let database = Arc::clone(&self.database);
        let accepting = accept_loop(listener, self.state.clone(), database, shutdown);
        tokio::spawn(self.state.serve(accepting));
        Ok(())
    }
}

async fn accept_loop(
    listener: TcpListener,
    state: StateCell<Phase>,
    database: Arc<Database>,
    shutdown: CancellationToken,
) -> Result<(), FrontError> {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (client, _) = accepted?;
        let (database, shutdown) = (Arc::clone(&database), shutdown.clone());
        // The error of one client fails nothing. The cell logs it.
        tokio::spawn(state.track(async move { converse(client, &database, &shutdown).await }));
    }
    Ok(())
}

/// Replies to each request that it has read. Ends at the first wait for a request after
/// `shutdown` is cancelled.
async fn converse(
    client: TcpStream,
    database: &Database,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut line = String::new();
    while let Some(read) = shutdown
        .run_until_cancelled(client.read_line(&mut line))
        .await
    {
        if read? == 0 {
            break;
        }
        let reply = reply(line.trim_end(), database).await;
        let reply = reply.unwrap_or_else(|error| format!("error: {error}"));
        client.write_all(format!("{reply}\n").as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn reply(request: &str, database: &Database) -> Result<String, NoReply> {
    let words: Vec<&str> = request.split(' ').collect();
    match words[..] {
        ["get", key] => Ok(database.get(key).await?.unwrap_or_default()),
        ["set", key, value] => {
            database.set(key, value).await?;
            Ok("ok".to_owned())
        }
        _ => Ok("error: get KEY, or set KEY VALUE".to_owned()),
    }
}
