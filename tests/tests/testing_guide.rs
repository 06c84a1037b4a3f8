//! The code of the guide `runtime/docs/testing.md`.
#![cfg(feature = "testing")]

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use cancel_guarded::testing::{Sweep, sweep, sweep_fn};
use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

#[derive(Default)]
struct Server {
    state: StateCell,
    addr: OnceLock<SocketAddr>,
}

impl Server {
    fn new() -> Self {
        Self::default()
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let _ = self.addr.set(listener.local_addr()?);
        tokio::task::yield_now().await;
        tokio::spawn(
            self.state
                .serve(accept_loop(listener, self.state.clone(), shutdown)),
        );
        tokio::task::yield_now().await;
        Ok(())
    }

    fn addr(&self) -> SocketAddr {
        *self.addr.get().expect("the server is up")
    }
}

async fn accept_loop(listener: TcpListener, state: StateCell, shutdown: CancellationToken) {
    while let Some(Ok((client, _))) = shutdown.run_until_cancelled(listener.accept()).await {
        let shutdown = shutdown.clone();
        tokio::spawn(state.track(async move {
            shutdown.run_until_cancelled(client.readable()).await;
        }));
    }
}

fn open_locks() -> usize {
    0
}

#[tokio::test]
async fn never_up_after_a_stop() {
    let report = sweep(|shutdown| {
        let server = Server::new();
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    assert_eq!(report.points(), 2);
    println!("{report}");
}

#[tokio::test]
async fn comes_up_again_after_a_refusal() {
    let server = Arc::new(Server::new());
    let report = sweep(|shutdown| {
        let server = Arc::clone(&server);
        (
            server.state.clone(),
            async move { server.start(shutdown).await },
        )
    })
    .await;
    assert_eq!(report.restarts(), Some(7));
}

#[tokio::test]
async fn stops_with_a_client_connected() {
    Sweep::new()
        .while_running(|server: Arc<Server>| async move {
            let mut client = TcpStream::connect(server.addr()).await.unwrap();
            client.write_all(b"half a req").await.unwrap();
            client
        })
        .run(|shutdown| {
            let server = Arc::new(Server::new());
            let state = server.state.clone();
            (Arc::clone(&server), state, async move {
                server.start(shutdown).await
            })
        })
        .await;
}

#[tokio::test]
async fn leaves_no_lock() {
    Sweep::new()
        .track_count("locks", open_locks)
        .run(|shutdown| {
            let server = Server::new();
            (
                server.state.clone(),
                async move { server.start(shutdown).await },
            )
        })
        .await;
}

#[cancel_guarded]
async fn migrate(shutdown: CancellationToken) -> io::Result<()> {
    tokio::task::yield_now().await;
    drop(shutdown);
    Ok(())
}

#[tokio::test]
async fn migrates_or_says_that_it_did_not() {
    let report = sweep_fn(migrate).await;
    assert_eq!(report.refusals(), 3);
}

struct Feed {
    state: StateCell,
}

impl Feed {
    async fn connect(state: StateCell, shutdown: &CancellationToken) -> Result<Self, StartError> {
        let feed = Self { state };
        let attempt = feed.state.begin(shutdown)?;
        attempt
            .start(async |shutdown| {
                tokio::task::yield_now().await;
                tokio::spawn(feed.state.serve(shutdown.cancelled_owned()));
                Ok::<(), StartError>(())
            })
            .await?;
        Ok(feed)
    }
}

#[tokio::test]
async fn a_feed_is_connected_or_refused() {
    let report = sweep(|shutdown| {
        let state = StateCell::new();
        (state.clone(), async move {
            Feed::connect(state, &shutdown).await
        })
    })
    .await;
    assert_eq!(report.points(), 1);
}

#[derive(Default)]
struct Cache {
    state: StateCell,
}

impl Cache {
    #[cancel_guarded(start, state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        loaded: oneshot::Receiver<()>,
    ) -> Result<(), StartError> {
        let _ = loaded.await;
        Ok(())
    }
}

#[test]
fn a_load_that_is_cancelled() {
    let (cache, shutdown) = (Cache::default(), CancellationToken::new());
    let (load, loaded) = oneshot::channel();
    let mut start = task::spawn(cache.start(shutdown.clone(), loaded));
    assert_pending!(start.poll());
    assert_eq!(cache.state.state(), Lifecycle::Starting);

    shutdown.cancel();
    assert!(start.is_woken());
    assert_eq!(assert_ready!(start.poll()), Err(StartError::Cancelled));
    assert_eq!(cache.state.state(), Lifecycle::Failed);
    assert!(load.is_closed(), "the body was dropped where it waited");
}

#[test]
fn a_cancellation_beside_the_end_of_the_load() {
    let (cache, shutdown) = (Cache::default(), CancellationToken::new());
    let (load, loaded) = oneshot::channel();
    let mut start = task::spawn(cache.start(shutdown.clone(), loaded));
    assert_pending!(start.poll());

    load.send(()).unwrap();
    shutdown.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(StartError::Cancelled));
}

/// The guide's code is in this file, and its table of tests names tests of `sweep.rs`.
#[test]
fn the_guide_shows_what_is_tested() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(repository.join(path)).expect("is there");
    let guide = read("runtime/docs/testing.md");
    let (here, sweep) = (
        read("tests/tests/testing_guide.rs"),
        read("tests/tests/sweep.rs"),
    );
    let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
    let blocks = blocks
        .iter()
        .filter_map(|block| block.strip_prefix("rust\n"));
    let mut number = 0;
    for block in blocks {
        number += 1;
        assert!(here.contains(block), "not in testing_guide.rs:\n{block}");
    }
    assert!(number >= 6, "only {number} blocks were found");

    let rows = guide.lines().filter(|line| line.starts_with("| "));
    let tests: Vec<&str> = rows
        .filter_map(|row| row.rsplit('`').nth(1))
        .filter(|name| name.contains("::"))
        .collect();
    assert!(tests.len() >= 30, "only {} rows were found", tests.len());
    for test in tests {
        let (module, name) = test.split_once("::").expect("has a module");
        let has_module = sweep.contains(&format!("mod {module} {{"));
        let has_test = sweep.contains(&format!("fn {name}()"));
        assert!(has_module && has_test, "no test {test}");
    }
}
