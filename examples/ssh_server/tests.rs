//! Tests the server with the OpenSSH client.
//!
//! Without an `ssh` on the path, the tests that need it say so and pass. With
//! `CANCEL_GUARDED_REQUIRE_SSH` set, as `.ci/ssh` sets it, they fail.

mod command;
mod keys;
mod openssh;
mod server;

use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StartError};
use russh::keys::PublicKey;

use crate::openssh::OpenSsh;
use crate::server::{Config, Server};

fn server(folder: &Path, authorized: &[PublicKey]) -> anyhow::Result<Server> {
    let host_key = folder.join("host_key");
    keys::load_or_make(&host_key)?;
    Ok(Server::new(Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        host_key,
        authorized: authorized.to_vec(),
    }))
}

#[tokio::test]
async fn refused_under_a_cancelled_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let in_use = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let server = Server::new(Config {
        // If it used the port or the key, the error would be another one.
        listen: in_use.local_addr()?,
        host_key: folder.path().join("no such file"),
        authorized: Vec::new(),
    });
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let refused = server.start(shutdown).await.expect_err("refused");
    assert_eq!(refused.downcast_ref(), Some(&StartError::Cancelled));
    assert_eq!(server.state.state(), Lifecycle::Failed);
    Ok(())
}

#[tokio::test]
async fn a_command_has_input_output_and_an_exit_status() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[client.public_key()])?;
    let addr = server.start(CancellationToken::new()).await?;

    let mut command = client.spawn(addr, "cat; echo trouble >&2; exit 7")?;
    command.types("to be\n").await?;
    let output = command.hangs_up().await?;
    assert_eq!(output.stdout, "to be\n", "{output:?}");
    assert!(output.stderr.ends_with("trouble\n"), "{output:?}");
    assert_eq!(output.code, Some(7), "{output:?}");

    server.state.stop().await?;
    assert_eq!(server.state.state(), Lifecycle::Stopped);
    Ok(())
}

#[tokio::test]
async fn a_client_with_an_unknown_key_is_refused() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[])?;
    let addr = server.start(CancellationToken::new()).await?;
    let output = client.spawn(addr, "echo in")?.hangs_up().await?;
    assert_eq!(output.stdout, "", "{output:?}");
    assert!(output.stderr.contains("Permission denied"), "{output:?}");
    assert_eq!(output.code, Some(255), "ssh's own error: {output:?}");
    assert!(server.state.is_running(), "other clients are served");
    Ok(())
}

#[tokio::test]
async fn a_running_command_may_end_after_cancel() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[client.public_key()])?;
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
    server.state.stopped().await?;
    assert_eq!(server.state.state(), Lifecycle::Stopped);
    Ok(())
}

#[tokio::test]
async fn a_command_is_cut_off_at_the_deadline() -> anyhow::Result<()> {
    let Some(client) = OpenSsh::find()? else {
        return Ok(());
    };
    let server = server(client.folder(), &[client.public_key()])?;
    let shutdown = CancellationToken::new();
    let addr = server.start(shutdown.clone()).await?;
    let mut command = client.spawn(addr, "echo up; cat")?;
    assert_eq!(command.hears().await?, "up");

    shutdown.cancel();
    let ended = server.state.stop_or_abort(ready(())).await;
    assert_eq!(ended.expect_err("aborted").kind(), FailureKind::Dropped);
    let output = command.hangs_up().await?;
    assert_eq!(output.code, Some(255), "{output:?}");
    Ok(())
}
