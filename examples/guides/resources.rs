//! A value with a `Drop` gives back what the body took.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio::task::yield_now;

async fn connect() -> io::Result<()> {
    yield_now().await;
    Ok(())
}

/// Removes the lock file when it is dropped.
struct LockFile(PathBuf);

impl LockFile {
    fn create(path: PathBuf) -> io::Result<Self> {
        File::create_new(&path)?;
        Ok(Self(path))
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Indexer {
    state: StateCell,
    lock: PathBuf,
}

impl Indexer {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let lock = LockFile::create(self.lock.clone())?; // no await between the two
        connect().await?;
        tokio::spawn(self.state.serve(async move {
            shutdown.cancelled().await;
            drop(lock); // the served future owns it from here on
        }));
        Ok(())
    }
}

fn indexer(name: &str) -> (Indexer, PathBuf) {
    let lock = std::env::temp_dir().join(format!("{name}-{}.lock", std::process::id()));
    let indexer = Indexer {
        state: StateCell::new(),
        lock: lock.clone(),
    };
    (indexer, lock)
}

#[tokio::test]
async fn a_cancelled_start_removes_the_lock() {
    let (indexer, lock) = indexer("cancelled");
    let shutdown = CancellationToken::new();
    let cancel = async {
        assert!(lock.exists());
        shutdown.cancel();
    };
    let (started, ()) = tokio::join!(biased; indexer.start(shutdown.clone()), cancel);
    started.unwrap_err();
    assert!(!lock.exists());
}

/// The task of the served future has never run.
#[tokio::test]
async fn a_service_that_is_stopped_at_once_removes_the_lock() {
    let (indexer, lock) = indexer("stopped");
    indexer.start(CancellationToken::new()).await.unwrap();
    assert!(lock.exists());
    indexer.state.stop().await.unwrap();
    assert_eq!(indexer.state.state(), Lifecycle::Stopped);
    assert!(!lock.exists());
}
