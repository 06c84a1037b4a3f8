//! Tests the services, the supervisor and the tour.

mod database;
mod files;
mod front;
mod phase;
mod supervisor;
mod tour;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::front::Front;
use crate::phase::Phase;
use crate::supervisor::{Policy, keep_up};

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
        cause.starts_with("database: the service is not running"),
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
    stable_after: Duration::from_secs(60),
};

/// A service whose first starts fail, and whose lives end with an error after a time.
struct Weak {
    state: StateCell,
    starts: AtomicU32,
    failed_starts: u32,
    lives_for: Duration,
}

impl Weak {
    fn new(failed_starts: u32, lives_for: Duration) -> Self {
        Self {
            state: StateCell::new(),
            starts: AtomicU32::new(0),
            failed_starts,
            lives_for,
        }
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let starts = self.starts.fetch_add(1, Ordering::Relaxed);
        anyhow::ensure!(starts >= self.failed_starts, "weak");
        let life = sleep(self.lives_for);
        tokio::spawn(self.state.serve(async move {
            match shutdown.run_until_cancelled(life).await {
                Some(()) => Err("too weak"),
                None => Ok(()),
            }
        }));
        Ok(())
    }

    async fn kept_up(&self, shutdown: &CancellationToken) -> Result<(), String> {
        let kept_up = keep_up(&self.state, POLICY, shutdown, |token| self.start(token));
        kept_up.await.map_err(|gave_up| gave_up.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_double_until_the_supervisor_gives_up() {
    let weak = Weak::new(u32::MAX, Duration::MAX);
    let begun = Instant::now();
    let kept_up = weak.kept_up(&CancellationToken::new()).await;
    assert_eq!(kept_up, Err("gave up: weak".to_owned()));
    assert_eq!(weak.starts.into_inner(), 4);
    assert_eq!(begun.elapsed(), Duration::from_secs(1 + 2 + 3));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_at_once_does_not_reset_the_counter() {
    let weak = Weak::new(0, Duration::ZERO);
    let kept_up = weak.kept_up(&CancellationToken::new()).await;
    assert_eq!(kept_up, Err("gave up: too weak".to_owned()));
    assert_eq!(weak.starts.into_inner(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_long_life_resets_the_counter() {
    let weak = Weak::new(3, POLICY.stable_after);
    let shutdown = CancellationToken::new();
    let cancel = async {
        for _ in 0..3 {
            weak.state.wait_for(|it| it == Lifecycle::Running).await;
            weak.state.wait_for(|it| it == Lifecycle::Failed).await;
        }
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(weak.kept_up(&shutdown), cancel);
    assert_eq!(kept_up, Ok(()));
    assert_eq!(weak.starts.into_inner(), 3 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_token_ends_the_loop() {
    let weak = Weak::new(3, Duration::MAX);
    let shutdown = CancellationToken::new();
    let cancel = async {
        weak.state.wait_for(|it| it == Lifecycle::Running).await;
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(weak.kept_up(&shutdown), cancel);
    assert_eq!(kept_up, Ok(()));
    assert_eq!(weak.state.state(), Lifecycle::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_cancelled_in_a_pause_ends_the_loop_at_once() {
    let weak = Weak::new(u32::MAX, Duration::MAX);
    let shutdown = CancellationToken::new();
    let begun = Instant::now();
    let cancel = async {
        weak.state.wait_for(|it| it == Lifecycle::Failed).await;
        shutdown.cancel();
    };
    let (kept_up, ()) = tokio::join!(weak.kept_up(&shutdown), cancel);
    assert_eq!(kept_up, Ok(()));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(weak.starts.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_a_pause_ends_the_loop_at_once() {
    let weak = Weak::new(u32::MAX, Duration::MAX);
    let shutdown = CancellationToken::new();
    let begun = Instant::now();
    let stop = async {
        weak.state.wait_for(|it| it == Lifecycle::Failed).await;
        weak.state.request_stop();
    };
    let (kept_up, ()) = tokio::join!(weak.kept_up(&shutdown), stop);
    assert_eq!(kept_up, Ok(()));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(weak.starts.into_inner(), 1, "nothing began after the stop");
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_it_runs_ends_the_loop() {
    let weak = Weak::new(0, Duration::MAX);
    let shutdown = CancellationToken::new();
    let stop = async {
        weak.state.wait_for(|it| it == Lifecycle::Running).await;
        weak.state.stop().await
    };
    let (kept_up, stopped) = tokio::join!(weak.kept_up(&shutdown), stop);
    assert_eq!((kept_up, stopped), (Ok(()), Ok(())));
    assert_eq!(weak.starts.into_inner(), 1);
}
