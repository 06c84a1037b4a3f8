//! A signal to go ahead, sent by a start that does not look at its token again.

use std::io;
use std::pin::pin;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::drill::{came_up_late, now, published_late};
use crate::service::{ANY_PORT, SetUp, accept_loop};

#[derive(Default)]
struct Before {
    ready: Notify,
    set_up: SetUp,
}

impl Before {
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        self.set_up.done().await;
        tokio::spawn(accept_loop(listener, shutdown));
        self.ready.notify_waiters();
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct After {
    pub(crate) state: StateCell,
    pub(crate) set_up: SetUp,
}

impl After {
    /// `state.running().await` is the signal. It also tells that there will be none.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind(ANY_PORT).await?;
        self.set_up.done().await;
        tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
        Ok(())
    }
}

/// Whether it comes up late.
pub(crate) fn before() -> bool {
    let (server, shutdown) = (Before::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    let ready = pin!(server.ready.notified());
    came_up_late(start, &server.set_up, &shutdown, || now(ready).is_some())
}

/// Whether it comes up late.
pub(crate) fn after() -> bool {
    let (server, shutdown) = (After::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    published_late(start, &server.set_up, &shutdown, &server.state)
}
