//! A flag that says "running" before there is anything to run, and that nobody takes back.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;

use crate::drill::{came_up_late, published_late};
use crate::service::{ANY_PORT, SetUp, accept_loop};

#[derive(Default)]
struct Before {
    running: AtomicBool,
    set_up: SetUp,
}

impl Before {
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        self.running.store(true, Ordering::SeqCst);
        let listener = TcpListener::bind(ANY_PORT).await?;
        self.set_up.done().await;
        tokio::spawn(accept_loop(listener, shutdown));
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct After {
    pub(crate) state: StateCell,
    pub(crate) set_up: SetUp,
}

impl After {
    /// The guard publishes, when all is set up. `state.is_running()` is the flag.
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
    came_up_late(start, &server.set_up, &shutdown, || {
        server.running.load(Ordering::SeqCst)
    })
}

/// Whether it comes up late.
pub(crate) fn after() -> bool {
    let (server, shutdown) = (After::default(), CancellationToken::new());
    let start = server.start(shutdown.clone());
    published_late(start, &server.set_up, &shutdown, &server.state)
}
