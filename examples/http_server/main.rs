//! An HTTP service behind a load balancer: a guarded start, a health check that never lies, and a
//! drain that ends.
//!
//! ```text
//! cargo run --example http_server
//! ```
//!
//! | variable   | meaning                                                        | default          |
//! |------------|----------------------------------------------------------------|------------------|
//! | `LISTEN`   | where it serves `POST /words`                                  | `127.0.0.1:8080` |
//! | `PROBE`    | where it serves `GET /healthz`, for as long as the process lives | `127.0.0.1:8081` |
//! | `WAIT_FOR` | addresses that have to be reachable first, with commas between | none             |
//!
//! `curl --data 'to be or not to be' localhost:8080/words` answers `6`. Ctrl-C or SIGTERM stop it:
//! `/healthz` answers 503 from that moment on, uploads that are under way are finished, and the
//! process ends with success. One that does not finish in time is a failure.
//!
//! The cell logs its own transitions (feature `tracing`). With one upload under way at SIGTERM, and
//! without the time in front of each line:
//!
//! ```text
//!  INFO probe at 127.0.0.1:8081
//! DEBUG words: Created to Starting service="words" from="Created" to="Starting"
//!  INFO words: Starting to Running service="words" from="Starting" to="Running"
//!  INFO serving at 127.0.0.1:8080
//!  INFO upload begins
//!  INFO told to stop by SIGTERM
//!  INFO words: Running to Stopping service="words" from="Running" to="Stopping"
//!  INFO upload counted words=6
//!  INFO words: Stopping to Stopped service="words" from="Stopping" to="Stopped"
//! ```
//!
//! And if SIGTERM comes while it still waits for a database at port 5432:
//!
//! ```text
//!  INFO probe at 127.0.0.1:8081
//! DEBUG words: Created to Starting service="words" from="Created" to="Starting"
//!  INFO not reachable yet dependency=127.0.0.1:5432 error=Connection refused (os error 111)
//!  INFO told to stop by SIGTERM
//!  WARN words: Starting to Failed service="words" from="Starting" to="Failed" cause=cancelled before it was running
//!  INFO stopped before it was up
//! ```

mod health;
mod server;
mod signals;

use std::env;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use cancel_guarded::{CancellationToken, StartError};
use tokio::net::TcpListener;
use tracing::{Level, info};

use crate::server::{Config, HttpError, Server};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_target(false)
        .init();

    let shutdown = CancellationToken::new();
    signals::cancel_at_signal(shutdown.clone())?;
    let server = Server::new(Config {
        listen: address("LISTEN", "127.0.0.1:8080")?,
        wait_for: addresses("WAIT_FOR")?,
        drain_within: Duration::from_secs(20),
    });

    // Up before the service and until after it: who asks meanwhile gets a 503, not a refused
    // connection. No part of the service, so not given to `serve`; it ends with the process.
    let probe = TcpListener::bind(address("PROBE", "127.0.0.1:8081")?).await?;
    info!("probe at {}", probe.local_addr()?);
    let health = health::router(server.state.clone());
    tokio::spawn(axum::serve(probe, health).into_future());

    match server.start(shutdown).await {
        Ok(local) => info!("serving at {local}"),
        Err(HttpError::Refused(StartError::Cancelled)) => {
            info!("stopped before it was up");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    server.state.stopped().await;
    server
        .state
        .failure()
        .map_or(Ok(()), |cause| Err(cause.into()))
}

fn address(variable: &str, default: &str) -> anyhow::Result<SocketAddr> {
    let value = env::var(variable).unwrap_or_else(|_| default.to_owned());
    parse(variable, &value)
}

fn addresses(variable: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let value = env::var(variable).unwrap_or_default();
    let listed = value.split_terminator(',');
    listed.map(|one| parse(variable, one)).collect()
}

fn parse(variable: &str, value: &str) -> anyhow::Result<SocketAddr> {
    let parsed = value.trim().parse();
    parsed.with_context(|| format!("{variable}: no socket address: {value:?}"))
}
