//! Cancels the start at each point at which that can happen.

mod command;
mod keys;
mod server;

use std::net::{Ipv4Addr, SocketAddr};

use cancel_guarded::testing::sweep;

use crate::server::{Config, Server};

#[tokio::test]
async fn every_cancellation() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let host_key = folder.path().join("host_key");
    keys::load_or_make(&host_key)?;
    let report = sweep(|shutdown| {
        let server = Server::new(Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            host_key: host_key.clone(),
            authorized: Vec::new(),
        });
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    // It waits once for the file, unless the thread that reads it is faster.
    assert!(report.points() <= 1, "{report}");
    assert!(report.successes() >= 1, "{report}");
    Ok(())
}
