//! The service: counts the words of an upload.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::StringRejection;
use axum::extract::{FromRequest as _, Request};
use axum::routing::post;
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tracing::info;

/// The time between two attempts to reach a dependency.
const RETRY: Duration = Duration::from_millis(200);

pub(crate) struct Server {
    pub(crate) state: StateCell,
    config: Config,
}

pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// The start waits until all of these accept connections.
    pub(crate) wait_for: Vec<SocketAddr>,
    /// How long the port stays open after the service was told to stop. A load balancer needs this
    /// time to see the 503 of the health check.
    pub(crate) lame_duck: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Server {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            state: StateCell::named("words"),
            config,
        }
    }

    /// Waits for the dependencies, opens the port, and serves until `shutdown` is cancelled.
    #[cancel_guarded(state = self.state)]
    pub(crate) async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, HttpError> {
        for &dependency in &self.config.wait_for {
            reachable(dependency).await;
        }
        let listener = TcpListener::bind(self.config.listen).await?;
        let local = listener.local_addr()?;
        let drain = drain_begins(shutdown, self.config.lame_duck);
        let serving = axum::serve(listener, router()).with_graceful_shutdown(drain);
        tokio::spawn(self.state.serve(serving));
        Ok(local)
    }
}

/// Tries until it succeeds. A cancelled start is interrupted in here.
async fn reachable(dependency: SocketAddr) {
    while let Err(error) = TcpStream::connect(dependency).await {
        info!(%dependency, %error, "not reachable yet");
        sleep(RETRY).await;
    }
}

/// From then on, axum accepts no new connections, and waits for those that it has.
async fn drain_begins(shutdown: CancellationToken, lame_duck: Duration) {
    shutdown.cancelled().await;
    sleep(lame_duck).await;
}

fn router() -> Router {
    Router::new().route("/words", post(count_words))
}

async fn count_words(request: Request) -> Result<String, StringRejection> {
    info!("upload begins");
    let text = String::from_request(request, &()).await?;
    let words = text.split_whitespace().count();
    info!(words, "upload counted");
    Ok(format!("{words}\n"))
}
