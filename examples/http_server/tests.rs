//! Tests the service, and the example as a process that receives real signals.

mod child;
mod server;

use std::future::ready;
use std::io::{self, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::Duration;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinHandle, spawn_blocking};
use ureq::SendBody;

use crate::child::Child;
use crate::server::{Config, Server};

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

#[tokio::test]
async fn an_upload_that_does_not_end_is_aborted_at_the_deadline() -> anyhow::Result<()> {
    let server = Server::new(Config {
        listen: ANY_PORT,
        wait_for: Vec::new(),
        lame_duck: Duration::ZERO,
    });
    let shutdown = CancellationToken::new();
    let mut client = TcpStream::connect(server.start(shutdown.clone()).await?).await?;
    let head =
        "POST /words HTTP/1.1\r\nhost: words\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    client.write_all(head.as_bytes()).await?;
    let mut answer = [0; "HTTP/1.1 100 Continue".len()];
    client.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"HTTP/1.1 100 Continue", "the upload is under way");

    shutdown.cancel();
    assert_eq!(server.state.state(), Lifecycle::Stopping);
    let ended = server.state.stop_or_abort(ready(())).await;
    assert_eq!(ended.expect_err("aborted").kind(), FailureKind::Dropped);
    assert_eq!(server.state.state(), Lifecycle::Failed);
    Ok(())
}

#[tokio::test]
async fn sigterm_during_the_start() -> anyhow::Result<()> {
    let database = Database::down()?;
    let mut child = Child::spawn(&[("WAIT_FOR", database.addr.to_string())])?;
    let probe = child.prints_address("probe at ").await?;
    child.prints("not reachable yet").await?;
    assert_eq!(healthz(probe).await?, (503, "Starting\n".to_owned()));

    child.signal("TERM").await?;
    child.prints("words: Starting to Failed").await?;
    child.prints("stopped before it was up").await?;
    let (status, log) = child.ends().await?;
    assert!(status.success(), "{status}");
    assert!(!log.contains("to Running"), "{log}");
    Ok(())
}

#[tokio::test]
async fn up_and_drained_at_sigterm() -> anyhow::Result<()> {
    up_and_drained("TERM").await
}

#[tokio::test]
async fn up_and_drained_at_ctrl_c() -> anyhow::Result<()> {
    up_and_drained("INT").await
}

async fn up_and_drained(signal: &str) -> anyhow::Result<()> {
    let database = Database::down()?;
    let mut child = Child::spawn(&[("WAIT_FOR", database.addr.to_string())])?;
    let probe = child.prints_address("probe at ").await?;
    child.prints("not reachable yet").await?;
    assert_eq!(healthz(probe).await?, (503, "Starting\n".to_owned()));

    let _database = database.socket.listen(1)?;
    child.prints("words: Starting to Running").await?;
    let service = child.prints_address("serving at ").await?;
    assert_eq!(healthz(probe).await?, (200, "Running\n".to_owned()));

    let (typed, answer) = upload(service);
    typed.send("to be or ")?;
    child.prints("upload begins").await?;
    child.signal(signal).await?;
    child.prints("words: Running to Stopping").await?;
    assert_eq!(healthz(probe).await?, (503, "Stopping\n".to_owned()));
    // A task of axum closes the port soon.
    while TcpStream::connect(service).await.is_ok() {}

    typed.send("not to be")?;
    drop(typed);
    assert_eq!(answer.await??, "6\n", "the upload is served to its end");
    child.prints("words: Stopping to Stopped").await?;
    let (status, log) = child.ends().await?;
    assert!(status.success(), "{status}:\n{log}");
    Ok(())
}

/// The status and the body of the health check.
async fn healthz(probe: SocketAddr) -> anyhow::Result<(u16, String)> {
    let answer = spawn_blocking(move || -> Result<_, ureq::Error> {
        let get = ureq::get(format!("http://{probe}/healthz"));
        let mut response = get.config().http_status_as_error(false).build().call()?;
        let body = response.body_mut().read_to_string()?;
        Ok((response.status().as_u16(), body))
    });
    Ok(answer.await??)
}

type Answer = JoinHandle<Result<String, ureq::Error>>;

/// Uploads what is sent to the channel, until its sender is dropped.
fn upload(service: SocketAddr) -> (mpsc::Sender<&'static str>, Answer) {
    let (typed, typing) = mpsc::channel();
    let answer = spawn_blocking(move || {
        let mut typing = Typing(typing);
        let post = ureq::post(format!("http://{service}/words"));
        let mut response = post.send(SendBody::from_reader(&mut typing))?;
        response.body_mut().read_to_string()
    });
    (typed, answer)
}

/// A request body that arrives in pieces.
struct Typing(mpsc::Receiver<&'static str>);

impl Read for Typing {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        // Each text fits into the buffer. An empty one is the end.
        let text = self.0.recv().unwrap_or_default();
        buffer.write(text.as_bytes())
    }
}

/// A bound port that refuses connections until it listens.
struct Database {
    socket: TcpSocket,
    addr: SocketAddr,
}

impl Database {
    fn down() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(ANY_PORT)?;
        let addr = socket.local_addr()?;
        Ok(Self { socket, addr })
    }
}
