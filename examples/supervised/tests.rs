//! Both services swept, the supervisor on its own, and the tour.

mod database;
mod files;
mod front;
mod phase;
mod supervisor;
mod tour;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cancel_guarded::testing::sweep;
use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::database::Database;
use crate::front::Front;
use crate::phase::Phase;
use crate::supervisor::{Policy, keep_up};

/// A folder of version 1.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("names"), "ada=1815\n").expect("a file");
    folder
}

#[tokio::test]
async fn the_database_swept() {
    let report = sweep(|shutdown| {
        let folder = folder();
        let database = Database::new(folder.path());
        (database.state.clone(), async move {
            let started = database.start(shutdown).await;
            drop(folder);
            started
        })
    })
    .await;
    // How often else it waits is up to the threads that work on the files.
    assert!(
        report.points() >= 1,
        "it yields while it migrates:\n{report}"
    );
    assert_eq!(report.successes(), 1, "{report}");
}

#[tokio::test]
async fn the_front_swept() {
    let report = sweep(|shutdown| {
        let folder = folder();
        let database = Arc::new(Database::new(folder.path()));
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let front = Front::new(&database, any_port);
        // Has its turn when the front waits for it.
        tokio::spawn(async move {
            let started = database.start(CancellationToken::new()).await;
            drop(folder);
            started
        });
        (
            front.state.clone(),
            async move { front.start(shutdown).await },
        )
    })
    .await;
    assert_eq!(
        (report.points(), report.successes()),
        (1, 1),
        "it waits for the database:\n{report}"
    );
}

#[tokio::test]
async fn a_start_without_its_database_fails() {
    let database = Arc::new(Database::new("no such folder"));
    let front = Front::new(&database, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let (fronts, databases) = tokio::join!(
        front.start(CancellationToken::new()),
        database.start(CancellationToken::new()),
    );
    databases.expect_err("there is no folder");
    fronts.expect_err("there is no database");
    assert_eq!(front.state.state(), Phase::Failed);
    let cause = front.state.failure().expect("a cause").to_string();
    assert!(
        cause.starts_with("database: the service never ran"),
        "{cause}"
    );
}

#[tokio::test]
async fn the_tour() -> anyhow::Result<()> {
    tour::tour().await
}

const POLICY: Policy = Policy {
    give_up_at: 4,
    pause: Duration::from_secs(1),
    longest_pause: Duration::from_secs(3),
};

/// Fails as often as it is told to, and comes up then.
struct Weak {
    state: StateCell,
    starts: AtomicU32,
    failures: u32,
}

impl Weak {
    fn new(failures: u32) -> Self {
        Self {
            state: StateCell::new(),
            starts: AtomicU32::new(0),
            failures,
        }
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let failed = self.starts.fetch_add(1, Ordering::Relaxed);
        anyhow::ensure!(failed >= self.failures, "weak");
        tokio::spawn(self.state.serve(shutdown.cancelled_owned()));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn given_up_after_longer_and_longer_pauses() {
    let (weak, shutdown) = (Weak::new(u32::MAX), CancellationToken::new());
    let begin = Instant::now();
    let given_up = keep_up(&weak.state, POLICY, &shutdown, |it| weak.start(it)).await;
    let given_up = given_up.expect_err("it fails too often");
    assert_eq!(given_up.to_string(), "given up on: weak");
    assert_eq!(weak.starts.into_inner(), 4);
    assert_eq!(begin.elapsed(), Duration::from_secs(1 + 2 + 3));
}

#[tokio::test(start_paused = true)]
async fn kept_up_until_it_is_told_to_stop() {
    let (weak, shutdown) = (Weak::new(3), CancellationToken::new());
    let kept_up = keep_up(&weak.state, POLICY, &shutdown, |it| weak.start(it));
    let stop = async {
        while weak.state.running().await.is_err() {}
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(kept_up, stop);
    kept_up.expect("not given up");
    assert_eq!(weak.state.state(), Lifecycle::Stopped);
    assert_eq!(weak.starts.into_inner(), 4);
}

#[tokio::test(start_paused = true)]
async fn to_come_up_ends_a_row_of_failures() {
    let (weak, shutdown) = (Weak::new(3), CancellationToken::new());
    let kept_up = keep_up(&weak.state, POLICY, &shutdown, |it| weak.start(it));
    let fail_and_stop = async {
        while weak.state.running().await.is_err() {}
        let again = weak.state.wait_for(|it| it == Lifecycle::Failed);
        weak.state
            .fail("the fourth failure, and the first of its row");
        again.await;
        weak.state.running().await.expect("up again");
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(kept_up, fail_and_stop);
    kept_up.expect("not given up");
    assert_eq!(weak.starts.into_inner(), 5);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_in_a_pause() {
    let (weak, shutdown) = (Weak::new(u32::MAX), CancellationToken::new());
    let begin = Instant::now();
    let kept_up = keep_up(&weak.state, POLICY, &shutdown, |it| weak.start(it));
    let stop = async {
        weak.state.wait_for(|it| it == Lifecycle::Failed).await;
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(kept_up, stop);
    kept_up.expect("not given up");
    assert_eq!(
        begin.elapsed(),
        Duration::ZERO,
        "the pause is not waited out"
    );
    assert_eq!(weak.starts.into_inner(), 1);
}
