//! The service swept, and used by the OpenSSH client.
//!
//! Without an `ssh` on the path the tests that need it say so and pass; with
//! `CANCEL_GUARDED_REQUIRE_SSH` set, as `.ci/ssh` does, they fail.

mod command;
mod host_key;
mod openssh;
mod server;
mod session;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use cancel_guarded::testing::sweep;
use cancel_guarded::{CancellationToken, Lifecycle, StartError};
use russh::keys::PublicKey;

use crate::openssh::OpenSsh;
use crate::server::{Config, Server, SshError};

fn server(folder: &Path, authorized: &[PublicKey], drain_within: Duration) -> Server {
    Server::new(Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        host_key: folder.join("host_key"),
        authorized: authorized.to_vec(),
        drain_within,
    })
}

#[tokio::test]
async fn swept() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let report = sweep(|shutdown| {
        let server = server(folder.path(), &[], Duration::ZERO);
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    // How often it waits is up to the thread that sees to the key: once, or not at all if that has
    // answered before it is asked.
    assert!(report.points() <= 1, "{report}");
    assert_eq!(report.successes(), 1, "{report}");
    Ok(())
}

#[tokio::test]
async fn refused_under_a_cancelled_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ours = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let server = Server::new(Config {
        // Had it touched the port, its error would be that the port is in use.
        listen: ours.local_addr()?,
        host_key: folder.path().join("host_key"),
        authorized: Vec::new(),
        drain_within: Duration::ZERO,
    });
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let refused = server.start(shutdown).await.expect_err("refused");
    assert!(
        matches!(refused, SshError::Refused(StartError::Cancelled)),
        "{refused:?}"
    );
    assert_eq!(server.state.state(), Lifecycle::Failed);
    assert!(!folder.path().join("host_key").exists(), "nothing was done");
    Ok(())
}

#[test]
fn the_host_key_is_made_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("host_key");
    let made = host_key::load_or_make(&key)?;
    let loaded = host_key::load_or_make(&key)?;
    assert_eq!(made.public_key(), loaded.public_key());
    Ok(())
}

#[tokio::test]
async fn a_command_with_its_input_output_and_exit_status() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[client.public_key()], Duration::ZERO);
    let addr = server.start(CancellationToken::new()).await?;

    let mut command = client.spawn(addr, "cat; echo trouble >&2; exit 7")?;
    command.types("to be\n").await?;
    let output = command.hangs_up().await?;
    assert_eq!(output.stdout, "to be\n", "{output:?}");
    assert!(output.stderr.ends_with("trouble\n"), "{output:?}");
    assert_eq!(output.code, Some(7), "{output:?}");

    assert!(server.state.stop().await);
    assert_eq!(server.state.state(), Lifecycle::Stopped);
    Ok(())
}

#[tokio::test]
async fn a_stranger_is_not_let_in() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[], Duration::ZERO);
    let addr = server.start(CancellationToken::new()).await?;
    let output = client.spawn(addr, "echo in")?.hangs_up().await?;
    assert_eq!(output.stdout, "", "{output:?}");
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
    assert_eq!(output.code, Some(255), "ssh's own error: {output:?}");
    assert!(server.state.is_running(), "for everybody else");
    Ok(())
}

#[tokio::test]
async fn a_running_command_ends_as_it_should_after_cancel() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let minute = Duration::from_secs(60);
    let server = server(client.folder(), &[client.public_key()], minute);
    let shutdown = CancellationToken::new();
    let addr = server.start(shutdown.clone()).await?;
    let mut command = client.spawn(addr, "echo up; read line; echo $line; exit 3")?;
    assert_eq!(command.hears().await?, "up");

    shutdown.cancel();
    assert_eq!(
        server.state.state(),
        Lifecycle::Stopping,
        "in the next line"
    );
    command.types("down\n").await?;
    let output = command.hangs_up().await?;
    assert_eq!((output.stdout.as_str(), output.code), ("down\n", Some(3)));
    server.state.stopped().await;
    assert_eq!(server.state.state(), Lifecycle::Stopped);
    assert_eq!(server.state.failure(), None);
    Ok(())
}

#[tokio::test]
async fn a_command_that_takes_too_long_after_cancel_is_cut_off() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[client.public_key()], Duration::ZERO);
    let shutdown = CancellationToken::new();
    let addr = server.start(shutdown.clone()).await?;
    let mut command = client.spawn(addr, "echo up; cat")?;
    assert_eq!(command.hears().await?, "up");

    shutdown.cancel();
    server.state.stopped().await;
    assert_eq!(server.state.state(), Lifecycle::Stopped);
    let output = command.hangs_up().await?;
    assert_eq!(output.code, Some(255), "{output:?}");
    assert!(output.stderr.contains("shutting down"), "{output:?}");
    Ok(())
}
