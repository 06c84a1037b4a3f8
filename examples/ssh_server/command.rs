//! One command, between its process and its channel.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{ChildStdin, Command};

/// The stream number of standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// Runs `line` in a shell. The process is killed if the client hangs up, or if this is dropped.
pub(crate) async fn run(channel: Channel<Msg>, line: OsString) -> Result<(), russh::Error> {
    let mut process = Command::new("sh")
        .arg("-c")
        .arg(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = process.stdin.take();
    let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
    let (from_client, to_client) = channel.split();

    let running = async {
        if let (Some(stdout), Some(stderr)) = (stdout, stderr) {
            let stdout = to_client.data(stdout);
            let stderr = to_client.extended_data(STDERR, stderr);
            tokio::try_join!(stdout, stderr)?;
        }
        Ok::<_, russh::Error>(process.wait().await?)
    };
    let status = tokio::select! {
        status = running => status?,
        () = feed(stdin, from_client) => return Ok(()),
    };
    to_client.exit_status(exit_code(status)).await?;
    to_client.eof().await?;
    to_client.close().await
}

/// Passes on what the client types, until it hangs up.
async fn feed(mut stdin: Option<ChildStdin>, mut client: ChannelReadHalf) {
    while let Some(message) = client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(open) = &mut stdin {
                    // A command need not read what it is sent.
                    if open.write_all(&data).await.is_err() {
                        stdin = None;
                    }
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// As a shell tells it: a process that a signal has ended counts as 128 and the signal.
fn exit_code(status: ExitStatus) -> u32 {
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal).unsigned_abs()
}
