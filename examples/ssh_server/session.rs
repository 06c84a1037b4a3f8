//! One client's session: who may log in, and what may be asked for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, StateCell};
use russh::keys::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg};
use russh::{Channel, ChannelId};
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::command;

pub(crate) struct Session {
    state: StateCell,
    authorized: Arc<[PublicKey]>,
    /// The commands that are running. Once it is closed, no more are begun.
    commands: TaskTracker,
    /// Cancelled when they have had their time.
    overdue: CancellationToken,
    /// Channels on which nothing was asked for so far.
    idle: HashMap<ChannelId, Channel<Msg>>,
}

impl Session {
    pub(crate) fn new(
        state: &StateCell,
        authorized: &Arc<[PublicKey]>,
        commands: &TaskTracker,
        overdue: &CancellationToken,
    ) -> Self {
        Self {
            state: state.clone(),
            authorized: Arc::clone(authorized),
            commands: commands.clone(),
            overdue: overdue.clone(),
            idle: HashMap::new(),
        }
    }
}

impl Handler for Session {
    type Error = russh::Error;

    /// The signature was checked before.
    async fn auth_publickey(&mut self, _: &str, key: &PublicKey) -> Result<Auth, russh::Error> {
        // The comment behind a key is not what makes it.
        let mut known = self.authorized.iter().map(PublicKey::key_data);
        if known.any(|known| known == key.key_data()) {
            Ok(Auth::Accept)
        } else {
            Ok(Auth::reject())
        }
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
        let running = command::run(channel, OsString::from_vec(line.to_vec()));
        let overdue = self.overdue.clone();
        self.commands.spawn(self.state.serve(async move {
            match overdue.run_until_cancelled_owned(running).await {
                Some(Ok(())) => {}
                Some(Err(error)) => info!(%error, "a command was lost"),
                None => info!("a command was cut off"),
            }
        }));
        Ok(())
    }
}
