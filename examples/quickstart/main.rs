//! A TCP service with a guarded start, cancelled before, during and after it.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! The service sends every line back in capitals. Before it is up it registers with a directory,
//! another TCP service, which may take its time to answer.
//!
//! Every observation that is printed is checked, and the first that is not as it should be ends
//! the run with a failure.

mod server;

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::exit;
use std::time::Duration;

use cancel_guarded::{CancellationToken, Lifecycle, StartError};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::server::{Server, ServerError, hear, say};

/// One thread, so that nothing happens between two lines of the tour but what they do.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let tour = timeout(Duration::from_secs(10), tour());
    tour.await
        .map_err(|_| "something that should have happened did not")?
}

async fn tour() -> Result<(), Box<dyn Error>> {
    let directory = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = cancelled_before(&directory).await?;
    cancelled_during(addr, &directory).await?;
    cancelled_after(addr, &directory).await?;
    stopped(addr, &directory).await?;
    println!("All as it should be.");
    Ok(())
}

async fn cancelled_before(directory: &TcpListener) -> Result<SocketAddr, Box<dyn Error>> {
    println!("1. Start under a token that is cancelled already, at a port that we hold ourselves");
    let ours = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = ours.local_addr()?;
    let server = Server::new(addr, directory.local_addr()?);
    let shutdown = CancellationToken::new();
    shutdown.cancel();

    let started = server.start(shutdown).await;
    // Had it touched the port, its error would be that the port is in use.
    check_refused(started);
    check("state", server.state.state(), Lifecycle::Failed);
    drop(ours);
    check("port is free", is_free(addr), true);
    Ok(addr)
}

async fn cancelled_during(addr: SocketAddr, directory: &TcpListener) -> Result<(), Box<dyn Error>> {
    println!("2. Start, and cancel while it waits for a directory that never answers");
    let server = Server::new(addr, directory.local_addr()?);
    let shutdown = CancellationToken::new();
    let cancel_while_it_waits = async {
        let (peer, _) = directory.accept().await?;
        let mut peer = BufReader::new(peer);
        check(
            "directory hears",
            hear(&mut peer).await?,
            Some(addr.to_string()),
        );
        check("state", server.state.state(), Lifecycle::Starting);
        check("port is free", is_free(addr), false);
        check("tasks", tasks(), 1);
        println!("   cancel()");
        shutdown.cancel();
        io::Result::Ok(peer)
    };

    let (started, peer) = tokio::join!(server.start(shutdown.clone()), cancel_while_it_waits);
    check_refused(started);
    check("state", server.state.state(), Lifecycle::Failed);
    check("port is free", is_free(addr), true);
    check("directory hears", hear(&mut peer?).await?, None);
    // What it was to run is gone. The task itself ends when its turn comes.
    yield_now().await;
    check("tasks", tasks(), 0);
    Ok(())
}

async fn cancelled_after(addr: SocketAddr, directory: &TcpListener) -> Result<(), Box<dyn Error>> {
    println!("3. Start, and let the directory answer");
    let server = Server::new(addr, directory.local_addr()?);
    let shutdown = CancellationToken::new();
    let (local, ()) = tokio::try_join!(server.start(shutdown.clone()), note(directory))?;
    check("start", local, addr);
    check("state", server.state.state(), Lifecycle::Running);
    let mut client = BufReader::new(TcpStream::connect(addr).await?);
    say(&mut client, "hello").await?;
    check(
        "client hears",
        hear(&mut client).await?.as_deref(),
        Some("HELLO"),
    );

    println!("4. Cancel, and look at the state in the next line");
    shutdown.cancel();
    check("state", server.state.state(), Lifecycle::Stopping);

    println!("5. Let the client have its say, and hang up");
    say(&mut client, "goodbye").await?;
    check(
        "client hears",
        hear(&mut client).await?.as_deref(),
        Some("GOODBYE"),
    );
    check("state", server.state.state(), Lifecycle::Stopping);
    drop(client);
    println!("   client hangs up");
    server.state.stopped().await;
    check("state", server.state.state(), Lifecycle::Stopped);
    check("port is free", is_free(addr), true);
    check("tasks", tasks(), 0);
    Ok(())
}

async fn stopped(addr: SocketAddr, directory: &TcpListener) -> Result<(), Box<dyn Error>> {
    println!("6. Start another one, and stop it without its token, which others may share");
    let server = Server::new(addr, directory.local_addr()?);
    let shutdown = CancellationToken::new();
    let (local, ()) = tokio::try_join!(server.start(shutdown.clone()), note(directory))?;
    check("start", local, addr);
    check("stop", server.state.stop().await, true);
    check("state", server.state.state(), Lifecycle::Stopped);
    check("port is free", is_free(addr), true);
    check("token is cancelled", shutdown.is_cancelled(), false);
    Ok(())
}

/// The directory, when it has time: notes one registration.
async fn note(directory: &TcpListener) -> Result<(), ServerError> {
    let (peer, _) = directory.accept().await?;
    let mut peer = BufReader::new(peer);
    hear(&mut peer).await?;
    say(&mut peer, "noted").await?;
    Ok(())
}

fn check_refused(started: Result<SocketAddr, ServerError>) {
    let started = started.map_err(|error| error.to_string());
    check("start", started, Err(StartError::Cancelled.to_string()));
}

fn is_free(addr: SocketAddr) -> bool {
    std::net::TcpListener::bind(addr).is_ok()
}

/// Tasks that were spawned and have not ended.
fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Prints what is observed, and ends the run if it is not what should be.
#[expect(
    clippy::needless_pass_by_value,
    reason = "spares each call two ampersands"
)]
fn check<T: Debug + PartialEq>(what: &str, observed: T, expected: T) {
    println!("   {what}: {observed:?}");
    if observed != expected {
        eprintln!("   {what} should be: {expected:?}");
        exit(1);
    }
}
