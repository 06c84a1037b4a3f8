//! The service: its start, and what it does with those who connect.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use russh::keys::PublicKey;
use russh::{Disconnect, MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::host_key::{self, KeyError};
use crate::session::Session;

/// How long a client may take to hang up, by itself or when it is told to.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long to wait before another `accept` when one has failed, say for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Server {
    pub(crate) state: StateCell,
    config: Config,
}

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// The file of the host's key, made by the first start.
    pub(crate) host_key: PathBuf,
    /// Who may log in, under whatever name.
    pub(crate) authorized: Vec<PublicKey>,
    /// How long commands that are running at the end may still take.
    pub(crate) drain_within: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SshError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error("host key: {0}")]
    HostKey(#[from] KeyError),
    #[error("host key: {0}")]
    HostKeyTask(#[from] JoinError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            state: StateCell::named("ssh"),
            config,
        }
    }

    /// Loads or makes the host's key, opens the port, and serves until `shutdown` is cancelled.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, SshError> {
        let path = self.config.host_key.clone();
        // The thread goes on if the start is dropped here. It leaves a whole key behind, or none.
        let key = spawn_blocking(move || host_key::load_or_make(&path)).await??;
        let listener = TcpListener::bind(self.config.listen).await?;
        let local = listener.local_addr()?;
        let front = Front {
            state: self.state.clone(),
            shutdown,
            ssh: Arc::new(russh::server::Config {
                keys: vec![key],
                methods: MethodSet::from(&[MethodKind::PublicKey][..]),
                auth_rejection_time_initial: Some(Duration::ZERO),
                ..russh::server::Config::default()
            }),
            authorized: self.config.authorized.clone().into(),
            drain_within: self.config.drain_within,
        };
        tokio::spawn(self.state.serve(front.accept_loop(listener)));
        Ok(local)
    }
}

/// What all connections have in common.
#[derive(Clone)]
struct Front {
    state: StateCell,
    shutdown: CancellationToken,
    ssh: Arc<russh::server::Config>,
    authorized: Arc<[PublicKey]>,
    drain_within: Duration,
}

impl Front {
    async fn accept_loop(self, listener: TcpListener) {
        while let Some(accepted) = self.shutdown.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((socket, client)) => {
                    tokio::spawn(self.state.serve(self.clone().look_after(socket, client)));
                }
                Err(error) => {
                    warn!(%error, "nobody could be accepted");
                    self.shutdown.run_until_cancelled(sleep(ACCEPT_AGAIN)).await;
                }
            }
        }
    }

    /// Never fails: the trouble of one client is no failure of the service.
    async fn look_after(self, socket: TcpStream, client: SocketAddr) {
        info!(%client, "connected");
        match self.converse(socket).await {
            Ok(()) => info!(%client, "gone"),
            Err(error) => info!(%client, %error, "lost"),
        }
    }

    async fn converse(self, socket: TcpStream) -> Result<(), russh::Error> {
        // The protocol runs in a task of russh's own, to which only the socket is a sure way.
        let socket = socket.into_std()?;
        let plug = socket.try_clone()?;
        let socket = TcpStream::from_std(socket)?;

        let commands = TaskTracker::new();
        let overdue = CancellationToken::new();
        let session = Session::new(&self.state, &self.authorized, &commands, &overdue);
        let opening = russh::server::run_stream(self.ssh, socket, session);
        let Some(opened) = self.shutdown.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let mut session = opened?;
        if let Some(ended) = self.shutdown.run_until_cancelled(&mut session).await {
            return ended;
        }

        commands.close();
        if timeout(self.drain_within, commands.wait()).await.is_ok() {
            // It hangs up itself when it has read the last answer. Told to go before that, it would
            // report a failure.
            if let Ok(ended) = timeout(GOODBYE, &mut session).await {
                return ended;
            }
        } else {
            overdue.cancel();
            commands.wait().await;
        }
        let goodbye = async {
            let reason = "the server is shutting down".to_owned();
            let handle = session.handle();
            handle
                .disconnect(Disconnect::ByApplication, reason, String::new())
                .await?;
            (&mut session).await
        };
        if let Ok(ended) = timeout(GOODBYE, goodbye).await {
            return ended;
        }
        plug.shutdown(Shutdown::Both)?;
        session.await
    }
}
