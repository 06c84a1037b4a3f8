//! The service of the tour, in every cancellation that can happen to its start.

mod server;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use cancel_guarded::testing::sweep;
use tokio::io::BufReader;
use tokio::net::TcpListener;

use crate::server::{Server, hear, say};

#[tokio::test]
async fn swept() -> io::Result<()> {
    let directory = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = directory.local_addr()?;
    let noting = tokio::spawn(note_all(directory));
    let report = sweep(|shutdown| {
        let server = Server::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), addr);
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    noting.abort();
    assert!(
        report.points() >= 2,
        "it connects to the directory, and it waits for the answer:\n{report}"
    );
    assert_eq!(report.successes(), 1, "{report}");
    Ok(())
}

/// A directory that notes whoever registers.
async fn note_all(directory: TcpListener) -> io::Result<()> {
    loop {
        let (peer, _) = directory.accept().await?;
        tokio::spawn(async {
            let mut peer = BufReader::new(peer);
            hear(&mut peer).await?;
            say(&mut peer, "noted").await
        });
    }
}
