//! The example as a process: sends it signals, and reads what it prints.

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

/// A test fails if the process prints nothing for so long.
const SILENCE: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    process: tokio::process::Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: String,
}

impl Child {
    /// Spawns the example at free ports. The process is killed when this is dropped.
    pub(crate) fn spawn(variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut process = Command::new(example()?)
            .env("LISTEN", "127.0.0.1:0")
            .env("PROBE", "127.0.0.1:0")
            .envs(variables.iter().cloned())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("is piped")?;
        Ok(Self {
            process,
            stdout: BufReader::new(stdout).lines(),
            log: String::new(),
        })
    }

    /// Waits for a line that contains `wanted`, and returns what follows it.
    pub(crate) async fn prints(&mut self, wanted: &str) -> anyhow::Result<String> {
        loop {
            let line = self.next_line().await?;
            let line = line.with_context(|| format!("no {wanted:?} in:\n{}", self.log))?;
            if let Some((_, rest)) = line.split_once(wanted) {
                return Ok(rest.to_owned());
            }
        }
    }

    /// Waits for a line that ends with `wanted` and an address.
    pub(crate) async fn prints_address(&mut self, wanted: &str) -> anyhow::Result<SocketAddr> {
        Ok(self.prints(wanted).await?.parse()?)
    }

    /// Sends a signal, by its name without `SIG`.
    pub(crate) async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let process = self.process.id().context("has not ended")?;
        // The `kill` of the shell: not every system has a program of that name.
        let kill = format!("kill -s {name} {process}");
        let status = Command::new("sh").arg("-c").arg(kill).status().await?;
        ensure!(status.success(), "kill: {status}");
        Ok(())
    }

    /// Waits for the end of the process. Also returns what it printed.
    pub(crate) async fn ends(mut self) -> anyhow::Result<(ExitStatus, String)> {
        while self.next_line().await?.is_some() {}
        Ok((self.process.wait().await?, self.log))
    }

    async fn next_line(&mut self) -> io::Result<Option<String>> {
        let line = timeout(SILENCE, self.stdout.next_line()).await??;
        if let Some(line) = &line {
            self.log.push_str(line);
            self.log.push('\n');
        }
        Ok(line)
    }
}

/// The path of the example, which `cargo test` builds. `cargo test --test http_server` does not
/// build it, so it may be missing or out of date.
fn example() -> anyhow::Result<PathBuf> {
    let test = env::current_exe()?;
    let profile = test.ancestors().nth(2).context("is in a folder")?;
    let example = profile.join("examples").join("http_server");
    let advice = "build it first: cargo build --example http_server";
    let built = modified(&example).context(advice)?;
    // Cargo lists the sources of the example: `target: source source ..`.
    let sources = fs::read_to_string(example.with_extension("d"))?;
    for source in sources.split_whitespace().skip(1) {
        let is_newer = modified(source.as_ref()).is_ok_and(|source| source > built);
        ensure!(!is_newer, "{source} was changed; {advice}");
    }
    Ok(example)
}

fn modified(file: &Path) -> io::Result<SystemTime> {
    fs::metadata(file)?.modified()
}
