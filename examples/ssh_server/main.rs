//! An SSH server with a guarded start, for clients whose key it knows.
//!
//! ```text
//! cargo run --example ssh_server [ADDRESS [FOLDER]]
//! ```
//!
//! `FOLDER` has the keys of the host and of one client. The example makes them if they are missing,
//! and prints the `ssh` command to try. Ctrl-C stops it: running commands may end within ten
//! seconds.

mod command;
mod keys;
mod server;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use cancel_guarded::CancellationToken;

use crate::server::{Config, Server};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_target(false).init();
    let mut args = env::args().skip(1);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:2222".to_owned());
    let folder = args
        .next()
        .unwrap_or_else(|| "target/ssh_server".to_owned());
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let (host_key, client_key) = (folder.join("host_key"), folder.join("client_key"));
    keys::load_or_make(&host_key)?;
    let client = keys::load_or_make(&client_key)?;

    let shutdown = CancellationToken::new();
    let cancel = shutdown.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        cancel.cancel();
    });
    let server = Server::new(Config {
        listen: listen.parse()?,
        host_key,
        authorized: vec![client.public_key().clone()],
    });
    let local = server.start(shutdown.clone()).await?;
    let (key, ip, port) = (client_key.display(), local.ip(), local.port());
    println!("ssh -i {key} -p {port} {ip} uname -a");
    shutdown.run_until_cancelled(server.state.stopped()).await;
    let deadline = tokio::time::sleep(Duration::from_secs(10));
    Ok(server.state.stop_or_abort(deadline).await?)
}
