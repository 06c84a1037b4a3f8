//! The service: counts the words of what is uploaded to it.

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
    /// What has to be reachable before this comes up.
    pub(crate) wait_for: Vec<SocketAddr>,
    /// How long requests that are under way at the end may still take.
    pub(crate) drain_within: Duration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("requests were still under way {0:?} after the service was told to stop")]
    Drain(Duration),
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
        let serving = serve(listener, shutdown, self.config.drain_within);
        tokio::spawn(self.state.serve(serving));
        Ok(local)
    }
}

/// Tries for as long as it takes: a cancelled start is interrupted in here.
async fn reachable(dependency: SocketAddr) {
    while let Err(error) = TcpStream::connect(dependency).await {
        info!(%dependency, %error, "not reachable yet");
        sleep(RETRY).await;
    }
}

/// Takes no new connections once it is told to stop, and ends with the last that it has.
async fn serve(
    listener: TcpListener,
    shutdown: CancellationToken,
    drain_within: Duration,
) -> Result<(), HttpError> {
    let serving = axum::serve(listener, router())
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();
    let overdue = async {
        shutdown.cancelled().await;
        sleep(drain_within).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        // Connections are tasks of axum's own. What is left of them ends with the process, which
        // ends because the service has failed.
        () = overdue => Err(HttpError::Drain(drain_within)),
    }
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
