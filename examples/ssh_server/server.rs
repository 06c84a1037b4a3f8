//! The server: a guarded start, one tracked future for each client and for each command.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{Shutdown, SocketAddr};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{io, net};

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg};
use russh::{Channel, ChannelId, Disconnect, MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::command;

/// How long a client may take to hang up.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct Server {
    pub(crate) state: StateCell,
    config: Config,
}

pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) host_key: PathBuf,
    /// The keys of the clients. The user name does not matter.
    pub(crate) authorized: Vec<PublicKey>,
}

impl Server {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            state: StateCell::named("ssh"),
            config,
        }
    }

    /// Loads the host's key, opens the port, and serves until `shutdown` is cancelled.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> anyhow::Result<SocketAddr> {
        let key = tokio::fs::read(&self.config.host_key).await?;
        let listener = TcpListener::bind(self.config.listen).await?;
        let local = listener.local_addr()?;
        let ssh = Arc::new(russh::server::Config {
            keys: vec![PrivateKey::from_openssh(key)?],
            methods: MethodSet::from(&[MethodKind::PublicKey][..]),
            auth_rejection_time_initial: Some(Duration::ZERO),
            ..russh::server::Config::default()
        });
        let authorized = self.config.authorized.clone().into();
        let clients = Clients {
            state: self.state.clone(),
            shutdown,
            ssh,
            authorized,
        };
        tokio::spawn(self.state.serve(clients.accept_loop(listener)));
        Ok(local)
    }
}

/// The values that all connections share.
#[derive(Clone)]
struct Clients {
    state: StateCell,
    shutdown: CancellationToken,
    ssh: Arc<russh::server::Config>,
    authorized: Arc<[PublicKey]>,
}

impl Clients {
    async fn accept_loop(self, listener: TcpListener) -> io::Result<()> {
        while let Some(accepted) = self.shutdown.run_until_cancelled(listener.accept()).await {
            let (socket, _) = accepted?;
            tokio::spawn(self.state.track(self.clone().converse(socket)));
        }
        Ok(())
    }

    async fn converse(self, socket: TcpStream) -> Result<(), russh::Error> {
        let socket = socket.into_std()?;
        let _close_at_end = CloseOnDrop(socket.try_clone()?);
        let socket = TcpStream::from_std(socket)?;
        let commands = TaskTracker::new();
        let session = Session {
            clients: self.clone(),
            commands: commands.clone(),
            hung_up: CancellationToken::new().drop_guard(),
            idle: HashMap::new(),
        };
        let opening = russh::server::run_stream(self.ssh, socket, session);
        let Some(opened) = self.shutdown.run_until_cancelled(opening).await else {
            return Ok(());
        };
        let mut session = opened?;
        if let Some(ended) = self.shutdown.run_until_cancelled(&mut session).await {
            return ended;
        }
        commands.close();
        commands.wait().await;
        // A client hangs up itself when it has read the exit status.
        if let Ok(ended) = timeout(GOODBYE, &mut session).await {
            return ended;
        }
        let (reason, language) = ("the server is shutting down".to_owned(), String::new());
        let goodbye = session.handle();
        goodbye
            .disconnect(Disconnect::ByApplication, reason, language)
            .await?;
        timeout(GOODBYE, session).await.unwrap_or(Ok(()))
    }
}

/// Closes a connection, also if the future that owns this is aborted: russh has its own task for
/// the protocol, which ends with the socket.
struct CloseOnDrop(net::TcpStream);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The session of one client.
struct Session {
    clients: Clients,
    /// The running commands. Once it is closed, no command begins.
    commands: TaskTracker,
    /// Cancels the commands when the client hangs up, because russh then drops the session.
    hung_up: DropGuard,
    /// Channels without a command.
    idle: HashMap<ChannelId, Channel<Msg>>,
}

impl Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, key: &PublicKey) -> Result<Auth, russh::Error> {
        // Without the comments, which may differ.
        let mut known = self.clients.authorized.iter().map(PublicKey::key_data);
        let is_known = known.any(|known| known == key.key_data());
        Ok(if is_known {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut russh::server::Session,
    ) -> Result<(), russh::Error> {
        self.idle.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), russh::Error> {
        let channel = self.idle.remove(&id);
        let Some(channel) = channel.filter(|_| !self.commands.is_closed()) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let hung_up = self.hung_up.token().clone();
        let running = command::run(channel, OsString::from_vec(line.to_vec()));
        let running = async move { hung_up.run_until_cancelled(running).await.unwrap_or(Ok(())) };
        self.commands.spawn(self.clients.state.track(running));
        Ok(())
    }
}
