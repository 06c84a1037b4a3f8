//! A value with a `Drop` gives back what the body took. A driver runs before the start has returned.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio::sync::{mpsc, oneshot};
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

type Reply = oneshot::Sender<()>;

struct Client(mpsc::Sender<Reply>);

impl Client {
    async fn log_in(&self) -> io::Result<()> {
        let (reply, replied) = oneshot::channel();
        let lost = || io::Error::other("the driver has ended");
        self.0.send(reply).await.map_err(|_| lost())?;
        replied.await.map_err(|_| lost())
    }
}

/// Moves the messages of a [`Client`], until all clients are gone.
struct Driver(mpsc::Receiver<Reply>);

impl Driver {
    async fn run(mut self) -> io::Result<()> {
        while let Some(reply) = self.0.recv().await {
            let _ = reply.send(());
        }
        Ok(())
    }
}

async fn dial() -> io::Result<(Client, Driver)> {
    yield_now().await;
    let (requests, inbox) = mpsc::channel(1);
    Ok((Client(requests), Driver(inbox)))
}

#[derive(Default)]
struct Store {
    state: StateCell,
}

impl Store {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<Client> {
        let (client, driver) = dial().await?;
        let driver = tokio::spawn(async move { shutdown.run_until_cancelled(driver.run()).await });
        client.log_in().await?; // needs the driver; a refusal cancels its token
        tokio::spawn(self.state.serve(async move {
            match driver.await? {
                Some(ended) => ended,
                None => Ok(()), // it was told to end
            }
        }));
        Ok(client)
    }
}

#[derive(Default)]
struct Cache {
    state: StateCell,
}

impl Cache {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<Client> {
        let (client, driver) = dial().await?;
        let mut driver = Box::pin(driver.run());
        tokio::select! {
            ended = &mut driver => return Err(ended.err().unwrap_or(ErrorKind::NotConnected.into())),
            logged_in = client.log_in() => logged_in?,
        }
        let driving = async move { shutdown.run_until_cancelled(driver).await.transpose() };
        tokio::spawn(self.state.serve(driving));
        Ok(client)
    }
}

#[tokio::test]
async fn a_driver_is_there_before_and_after_the_start() {
    let (store, cache) = (Store::default(), Cache::default());
    let shutdown = CancellationToken::new();
    let clients = [
        store.start(shutdown.clone()).await.unwrap(),
        cache.start(shutdown.clone()).await.unwrap(),
    ];
    for client in &clients {
        client.log_in().await.unwrap();
    }
    for state in [&store.state, &cache.state] {
        assert!(state.is_running());
        state.stop().await.unwrap();
    }
    for client in &clients {
        client.log_in().await.unwrap_err();
    }
}

#[tokio::test]
async fn a_driver_ends_with_a_refused_start() {
    let (store, shutdown) = (Store::default(), CancellationToken::new());
    let mut start = tokio_test::task::spawn(store.start(shutdown.clone()));
    let tasks = tokio::runtime::Handle::current().metrics();
    while tasks.num_alive_tasks() == 0 {
        assert!(start.poll().is_pending());
        yield_now().await;
    }
    shutdown.cancel();
    assert!(start.await.is_err());
    while tasks.num_alive_tasks() > 0 {
        yield_now().await;
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
