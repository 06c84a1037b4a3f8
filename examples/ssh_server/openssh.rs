//! The OpenSSH client, with its own key and without the user's configuration.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use russh::keys::{PrivateKey, PublicKey};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdout};

use crate::keys;

pub(crate) struct OpenSsh {
    folder: TempDir,
    key: PrivateKey,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl OpenSsh {
    /// `None` if there is no `ssh` on the path, and the tests may skip it.
    pub(crate) fn find() -> anyhow::Result<Option<Self>> {
        match Command::new("ssh").arg("-V").stderr(Stdio::null()).status() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if env::var_os("CANCEL_GUARDED_REQUIRE_SSH").is_some() {
                    return Err(error).context("ssh is required, and not on the path");
                }
                // `eprintln!` would not be shown for a test that passes.
                writeln!(io::stderr(), "SKIPPED: there is no ssh on the path")?;
                return Ok(None);
            }
            found => found?,
        };
        let folder = tempfile::tempdir()?;
        let key = keys::load_or_make(&folder.path().join("client_key"))?;
        Ok(Some(Self { folder, key }))
    }

    /// A folder that is removed when this is dropped.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.key.public_key().clone()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `line` on the server at `addr`, whose key must be the one in the folder.
    pub(crate) fn spawn(&self, addr: SocketAddr, line: &str) -> anyhow::Result<Running> {
        let host_key = keys::load_or_make(&self.file("host_key"))?;
        let host_key = host_key.public_key().to_openssh()?;
        let known_hosts = format!("[{}]:{} {host_key}\n", addr.ip(), addr.port());
        fs::write(self.file("known_hosts"), known_hosts)?;
        let known_hosts = self.file("known_hosts");
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args(["-F", "none", "-l", "tester"])
            .args(["-o", "BatchMode=yes"])
            .args(["-o", "IdentitiesOnly=yes"])
            .args(["-o", "StrictHostKeyChecking=yes"])
            .args(["-o", "GlobalKnownHostsFile=none"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()))
            .arg("-i")
            .arg(self.file("client_key"))
            .args(["-p", &addr.port().to_string()])
            .arg(addr.ip().to_string())
            .arg(line);
        let mut process = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("is piped")?;
        Ok(Running {
            process,
            stdout: BufReader::new(stdout),
        })
    }
}

/// The client of a command that runs on the server.
pub(crate) struct Running {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) async fn types(&mut self, text: &str) -> anyhow::Result<()> {
        let stdin = self.process.stdin.as_mut().context("is piped")?;
        stdin.write_all(text.as_bytes()).await?;
        Ok(())
    }

    /// Reads the next line of the output.
    pub(crate) async fn hears(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).await?;
        Ok(line.trim_end().to_owned())
    }

    /// Closes the input, and waits for the end. Returns the output that was not read before.
    pub(crate) async fn hangs_up(mut self) -> anyhow::Result<Output> {
        drop(self.process.stdin.take());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut errors = self.process.stderr.take().context("is piped")?;
        tokio::try_join!(
            self.stdout.read_to_string(&mut stdout),
            errors.read_to_string(&mut stderr)
        )?;
        let code = self.process.wait().await?.code();
        Ok(Output {
            stdout,
            stderr,
            code,
        })
    }
}
