//! A real SSH server with a guarded start: whoever's key it knows runs commands on it.
//!
//! ```text
//! cargo run --example ssh_server [ADDRESS [FOLDER]]
//! ```
//!
//! The address is `127.0.0.1:2222` if none is given. The keys of the host and of its one client are
//! in the folder, `target/ssh_server` if none is given, and are made there if it has none. The
//! first line that is printed is the `ssh` command to try it with.
//!
//! Ctrl-C stops it: nobody new is let in, commands that are running may end, and what is not done
//! after ten seconds is cut off. Pressed while it starts, there is nothing to stop later.

mod command;
mod host_key;
mod server;
mod session;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use cancel_guarded::{CancellationToken, StartError};

use crate::server::{Config, Server, SshError};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_target(false).init();
    let mut args = env::args_os().skip(1);
    let listen = match args.next() {
        Some(address) => address.to_string_lossy().parse()?,
        None => "127.0.0.1:2222".parse()?,
    };
    let folder = args.next().unwrap_or_else(|| "target/ssh_server".into());
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let client_key = folder.join("client_key");
    let client = host_key::load_or_make(&client_key)?;

    let server = Server::new(Config {
        listen,
        host_key: folder.join("host_key"),
        authorized: vec![client.public_key().clone()],
        drain_within: Duration::from_secs(10),
    });
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_at_ctrl_c(shutdown.clone()));
    match server.start(shutdown).await {
        Ok(local) => println!(
            "ssh -i {} -p {} {} uname -a",
            client_key.display(),
            local.port(),
            local.ip()
        ),
        Err(SshError::Refused(StartError::Cancelled)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    server.state.stopped().await;
    server
        .state
        .failure()
        .map_or(Ok(()), |cause| Err(cause.into()))
}

async fn cancel_at_ctrl_c(shutdown: CancellationToken) {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "Ctrl-C cannot be caught");
    }
    shutdown.cancel();
}
