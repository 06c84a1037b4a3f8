//! `run_until_cancelled` asks the future first: what is done counts, cancelled or not.

use std::io;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::drill::{came_up_late, published_late};
use crate::service::{ANY_PORT, SetUp, accept_loop};

#[derive(Default)]
struct Before {
    ready: watch::Sender<bool>,
    set_up: SetUp,
}

impl Before {
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let initialised = shutdown.run_until_cancelled(self.initialise()).await;
        let listener = initialised.ok_or_else(|| io::Error::other("cancelled"))??;
        tokio::spawn(accept_loop(listener, shutdown));
        self.ready.send_replace(true);
        Ok(())
    }

    async fn initialise(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        self.set_up.done().await;
        Ok(listener)
    }
}

#[derive(Default)]
pub(crate) struct After {
    pub(crate) state: StateCell,
    pub(crate) set_up: SetUp,
}

impl After {
    /// It waits as if there were no cancellation. The guard sees to that.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let listener = self.initialise().await?;
        tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
        Ok(())
    }

    async fn initialise(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        self.set_up.done().await;
        Ok(listener)
    }
}

/// Whether it comes up late.
pub(crate) fn before() -> bool {
    let (server, shutdown) = (Before::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    came_up_late(start, &server.set_up, &shutdown, || *server.ready.borrow())
}

/// Whether it comes up late.
pub(crate) fn after() -> bool {
    let (server, shutdown) = (After::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    published_late(start, &server.set_up, &shutdown, &server.state)
}
