//! The first service: a database of names. The front depends on it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio::time::timeout;

use crate::files::{self, Names};
use crate::phase::Phase;

/// How long a query may wait for its reply.
const REPLY_WITHIN: Duration = Duration::from_secs(2);

/// How many queries may wait.
const BACKLOG: usize = 64;

pub(crate) struct Database {
    pub(crate) state: StateCell<Phase>,
    folder: PathBuf,
    queries: mpsc::Sender<Query>,
    /// The queries, which outlive a restart. Each attempt holds the lock for as long as it serves.
    inbox: Arc<Mutex<Inbox>>,
}

type Inbox = mpsc::Receiver<Query>;

enum Query {
    Get(String, oneshot::Sender<Option<String>>),
    Set(String, String, oneshot::Sender<()>),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error("database: {0}")]
    Io(#[from] io::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("the database does not reply")]
pub(crate) struct NoReply;

impl Database {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        let (queries, inbox) = mpsc::channel(BACKLOG);
        Self {
            state: StateCell::named("database"),
            folder: folder.into(),
            queries,
            inbox: Arc::new(Mutex::new(inbox)),
        }
    }

    /// Migrates the files, loads them, and serves queries until `shutdown` is cancelled.
    #[cancel_guarded(state = self.state, restart)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> Result<(), DatabaseError> {
        let inbox = Arc::clone(&self.inbox).lock_owned().await;
        if files::is_old(&self.folder).await? {
            self.state.store(Phase::Migrating);
            // `tokio::fs` works in threads, which a dropped future does not stop. Shielded, the
            // migration has ended before `Failed` can be read and before the next start begins.
            #[shielded]
            files::migrate(&self.folder).await?;
        }
        let names = Names::load(&self.folder).await?;
        tokio::spawn(self.state.serve(serve(inbox, names, shutdown)));
        Ok(())
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, NoReply> {
        self.ask(|reply| Query::Get(key.to_owned(), reply)).await
    }

    pub(crate) async fn set(&self, key: &str, value: &str) -> Result<(), NoReply> {
        self.ask(|reply| Query::Set(key.to_owned(), value.to_owned(), reply))
            .await
    }

    async fn ask<T>(&self, query: impl FnOnce(oneshot::Sender<T>) -> Query) -> Result<T, NoReply> {
        let (reply, received) = oneshot::channel();
        let asking = async {
            self.queries.send(query(reply)).await.map_err(|_| NoReply)?;
            received.await.map_err(|_| NoReply)
        };
        timeout(REPLY_WITHIN, asking).await.map_err(|_| NoReply)?
    }
}

/// Finishes each query that it has received. Fails if it cannot write, because memory and disk then
/// differ.
async fn serve(
    mut inbox: OwnedMutexGuard<Inbox>,
    mut names: Names,
    shutdown: CancellationToken,
) -> Result<(), DatabaseError> {
    while let Some(Some(query)) = shutdown.run_until_cancelled(inbox.recv()).await {
        // A client that has given up no longer receives.
        match query {
            Query::Get(key, reply) => {
                let _ = reply.send(names.get(&key));
            }
            Query::Set(key, value, reply) => {
                names.set(key, value).await?;
                let _ = reply.send(());
            }
        }
    }
    Ok(())
}
