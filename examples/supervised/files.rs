//! The files of the database.
//!
//! Version 1 is one file, `names`, with a line `KEY=VALUE` for each name. Version 2 is a `snapshot`
//! with lines `KEY VALUE`, and a `journal` with the lines that were added later.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::task::yield_now;

/// How many lines are converted between two yields.
const LINES_A_TURN: usize = 1000;

/// Whether the folder is of version 1.
pub(crate) async fn is_old(folder: &Path) -> io::Result<bool> {
    fs::try_exists(folder.join("names")).await
}

/// Migrates from version 1 to version 2. The old file is removed last, so that a crash repeats it.
pub(crate) async fn migrate(folder: &Path) -> io::Result<()> {
    let names = fs::read_to_string(folder.join("names")).await?;
    let mut snapshot = String::with_capacity(names.len());
    for (number, line) in names.lines().enumerate() {
        if number % LINES_A_TURN == 0 {
            yield_now().await;
        }
        snapshot.push_str(&line.replacen('=', " ", 1));
        snapshot.push('\n');
    }
    fs::write(folder.join("snapshot"), snapshot).await?;
    fs::write(folder.join("journal"), "").await?;
    fs::remove_file(folder.join("names")).await
}

/// All names in memory, and the path of the journal.
pub(crate) struct Names {
    values: HashMap<String, String>,
    journal: PathBuf,
}

impl Names {
    pub(crate) async fn load(folder: &Path) -> io::Result<Self> {
        let journal = folder.join("journal");
        let snapshot = fs::read_to_string(folder.join("snapshot")).await?;
        let later = fs::read_to_string(&journal).await?;
        let lines = snapshot.lines().chain(later.lines());
        let values = lines.filter_map(|line| line.split_once(' '));
        let values = values.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let values = values.collect();
        Ok(Self { values, journal })
    }

    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).cloned()
    }

    /// The name is on disk when this returns.
    pub(crate) async fn set(&mut self, key: String, value: String) -> io::Result<()> {
        let mut journal = OpenOptions::new().append(true).open(&self.journal).await?;
        let line = format!("{key} {value}\n");
        journal.write_all(line.as_bytes()).await?;
        journal.sync_data().await?;
        self.values.insert(key, value);
        Ok(())
    }
}
