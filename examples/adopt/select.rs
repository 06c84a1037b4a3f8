//! A `select!` that throws a coin when set-up and cancellation are both there.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;

use crate::drill::{came_up_late, published_late};
use crate::service::{ANY_PORT, SetUp, accept_loop};

#[derive(Default)]
struct Before {
    ready: AtomicBool,
    set_up: SetUp,
}

impl Before {
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        tokio::select! {
            listener = self.initialise() => {
                tokio::spawn(accept_loop(listener?, shutdown));
                self.ready.store(true, Ordering::Release);
                Ok(())
            }
            () = shutdown.cancelled() => Err(io::Error::other("cancelled")),
        }
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
    /// The branch on `cancelled()` is gone: the guard interrupts the await.
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
    came_up_late(start, &server.set_up, &shutdown, || {
        server.ready.load(Ordering::Acquire)
    })
}

/// Whether it comes up late.
pub(crate) fn after() -> bool {
    let (server, shutdown) = (After::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    published_late(start, &server.set_up, &shutdown, &server.state)
}
