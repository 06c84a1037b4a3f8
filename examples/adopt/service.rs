//! What all the shapes have in common: something to set up, and something to serve.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cancel_guarded::CancellationToken;
use tokio::net::TcpListener;
use tokio::sync::Notify;

pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a service has to wait for before it is up: a migration, a warm cache, an answer.
#[derive(Clone, Default)]
pub(crate) struct SetUp(Arc<Notify>);

impl SetUp {
    pub(crate) async fn done(&self) {
        self.0.notified().await;
    }

    pub(crate) fn finish(&self) {
        self.0.notify_one();
    }
}

/// Lets clients in until it is told to stop.
pub(crate) async fn accept_loop(
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        drop(accepted?);
    }
    Ok(())
}
