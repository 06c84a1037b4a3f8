//! Connects the process of a command with its channel.

use std::ffi::OsString;
use std::future::pending;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use russh::Channel;
use russh::server::Msg;
use tokio::process::Command;

/// The stream number of standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// Runs `line` in a shell. The process is killed if this is dropped.
pub(crate) async fn run(channel: Channel<Msg>, line: OsString) -> Result<(), russh::Error> {
    let mut shell = Command::new("sh");
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = shell.arg("-c").arg(line).kill_on_drop(true).spawn()?;
    let pipes = (
        process.stdin.take(),
        process.stdout.take(),
        process.stderr.take(),
    );
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Ok(());
    };
    let (mut from_client, to_client) = channel.split();

    let feed = async move {
        // The command may end without reading its input.
        let _ = tokio::io::copy(&mut from_client.make_reader(), &mut stdin).await;
        drop(stdin);
        pending::<()>().await;
    };
    let running = async {
        let stderr = to_client.extended_data(STDERR, stderr);
        tokio::try_join!(to_client.data(stdout), stderr)?;
        Ok::<_, russh::Error>(process.wait().await?)
    };
    let status = tokio::select! {
        status = running => status?,
        () = feed => return Ok(()),
    };
    // The convention of shells: 128 and the signal, if a signal ended the process.
    let signal = || 128 + status.signal().unwrap_or_default();
    let code = status.code().unwrap_or_else(signal);
    to_client.exit_status(code.unsigned_abs()).await?;
    to_client.eof().await?;
    to_client.close().await
}
