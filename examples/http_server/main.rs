//! An HTTP service for use with a load balancer: a guarded start, a health check, and a drain with
//! a deadline.
//!
//! ```text
//! cargo run --example http_server
//! ```
//!
//! | variable    | meaning                                                          | default          |
//! |-------------|------------------------------------------------------------------|------------------|
//! | `LISTEN`    | where it serves `POST /words`                                    | `127.0.0.1:8080` |
//! | `PROBE`     | where it serves `GET /healthz`, for as long as the process lives | `127.0.0.1:8081` |
//! | `WAIT_FOR`  | addresses that have to be reachable first, separated by commas   | none             |
//! | `LAME_DUCK` | seconds for which the port stays open after the signal           | 0                |
//!
//! `curl --data 'to be or not to be' localhost:8080/words` prints `6`. Ctrl-C and SIGTERM stop the
//! service. From that moment on, `/healthz` returns 503. Uploads that are under way may finish
//! within twenty seconds. If one does not, the process ends with an error.
//!
//! The cell logs its transitions (feature `tracing`). With one upload under way at SIGTERM, and
//! without the timestamps:
//!
//! ```text
//!  INFO probe at 127.0.0.1:8081
//! DEBUG words: Created to Starting service="words" from="Created" to="Starting" parts=0
//!  INFO words: Starting to Running service="words" from="Starting" to="Running" parts=1
//!  INFO serving at 127.0.0.1:8080
//!  INFO upload begins
//!  INFO told to stop by SIGTERM
//!  INFO words: Running to Stopping service="words" from="Running" to="Stopping" parts=1
//!  INFO upload counted words=6
//!  INFO words: Stopping to Stopped service="words" from="Stopping" to="Stopped" parts=0
//! ```
//!
//! If SIGTERM arrives while the service still waits for a database at port 5432:
//!
//! ```text
//!  INFO probe at 127.0.0.1:8081
//! DEBUG words: Created to Starting service="words" from="Created" to="Starting" parts=0
//!  INFO not reachable yet dependency=127.0.0.1:5432 error=Connection refused (os error 111)
//!  INFO told to stop by SIGTERM
//!  WARN words: Starting to Failed service="words" from="Starting" to="Failed" cause=cancelled before it was running parts=0
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
use tokio::time::sleep;
use tracing::{Level, info};

use crate::server::{Config, HttpError, Server};

/// How long the service may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);

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
        lame_duck: seconds("LAME_DUCK")?,
    });

    // The health check is up before the service and after it. It is no part of the service, so it
    // is not given to `serve`. It ends with the process.
    let probe = TcpListener::bind(address("PROBE", "127.0.0.1:8081")?).await?;
    info!("probe at {}", probe.local_addr()?);
    let health = health::router(server.state.clone());
    tokio::spawn(axum::serve(probe, health).into_future());

    match server.start(shutdown.clone()).await {
        Ok(local) => info!("serving at {local}"),
        Err(HttpError::Refused(StartError::Cancelled)) => {
            info!("stopped before it was up");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    // Until the signal, or until the service fails.
    shutdown.run_until_cancelled(server.state.stopped()).await;
    server.state.stop_or_abort(sleep(STOP_WITHIN)).await?;
    Ok(())
}

fn seconds(variable: &str) -> anyhow::Result<Duration> {
    let value = env::var(variable).unwrap_or_else(|_| "0".to_owned());
    let seconds = value.parse();
    let seconds =
        seconds.with_context(|| format!("{variable}: no number of seconds: {value:?}"))?;
    Ok(Duration::from_secs(seconds))
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
