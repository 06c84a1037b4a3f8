//! Cancels the start at each point at which that can happen.

mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use cancel_guarded::testing::sweep;
use tokio::net::TcpListener;

use crate::server::{Config, Server};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[tokio::test]
async fn every_cancellation() -> io::Result<()> {
    let database = TcpListener::bind(ANY_PORT).await?;
    let addr = database.local_addr()?;
    let report = sweep(|shutdown| {
        let server = Server::new(Config {
            listen: ANY_PORT,
            wait_for: vec![addr],
            lame_duck: Duration::ZERO,
        });
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    assert!(report.points() >= 1, "it connects:\n{report}");
    assert!(report.successes() >= 1, "{report}");
    Ok(())
}
