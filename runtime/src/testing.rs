//! [`sweep`]: a start driven into every cancellation that can happen to it.
//!
//! A race found by running a test ten times under load is found by chance. A start can only be
//! cancelled *between* two polls, and it has only so many of them: the sweep goes through all of
//! these points, on your own executor, one run of your start for each.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::cell::StateCell;
use crate::failure::FailureKind;
use crate::outcome::Outcome;
use crate::panics::quietly;
use crate::state::State;
use crate::sync::CancellationToken;
use crate::word::Phase;

/// How many suspension points a start may have before [`sweep`] gives up on it.
pub const MOST_POINTS: usize = 1_000;

/// How long [`sweep`] waits for a start, or for what a start has left behind, before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Drives a start into every cancellation that can happen to it, and checks what is promised.
///
/// `make` builds a fresh service and its start under the token it is given, and returns the
/// service's cell and the start's future:
///
/// ```
/// # use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded, testing::sweep};
/// # #[derive(Default)]
/// # struct Server { state: StateCell }
/// # impl Server {
/// #     fn new() -> Self { Self::default() }
/// #     #[cancel_guarded(state = self.state)]
/// #     async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
/// #         tokio::task::yield_now().await;
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = sweep(|shutdown| {
///     let server = Server::new();
///     (server.state.clone(), async move { server.start(shutdown).await })
/// })
/// .await;
/// println!("{report}");
/// # assert_eq!(report.points(), 1);
/// # }
/// ```
///
/// The token is cancelled before the first poll; at every suspension point, right after the poll
/// that found the start waiting, and again just before the poll that would go on; and after the
/// start has succeeded. Then the start is dropped before its first poll and at every suspension
/// point. After each run:
///
/// - under a token that is cancelled already, the start ends at its first poll, and no attempt has
///   begun; dropped before it, it has touched nothing;
/// - once `cancel()` has returned the cell does not read `RUNNING`, and nothing is published later;
/// - success is returned if and only if the start has published;
/// - a start that did not publish has left its cell in `FAILED`, with the cause, and the token
///   that its body saw is cancelled;
/// - nothing that the start has spawned still holds the cell or the service. **A task that holds
///   neither, but a listener, say, is not seen**: what is spawned without
///   [`serve`](StateCell::serve) nobody can take back.
///
/// A quiet start, whose refusal is no failure by its [`Outcome`] (`()`, or `on_refused = |_|
/// Ok(())`), is told by its first run; of such a one, what it returns is not looked at.
///
/// A body that publishes early (run-until-cancelled) is cancelled for the last time when it is
/// first seen to be published: from there on it waits for nothing else.
///
/// The runs are as deterministic as the start is. It ends after [`MOST_POINTS`] points, or when
/// nothing has happened for [`PATIENCE`].
///
/// # Panics
///
/// If something of this does not hold, with a message that names the point; if the start fails
/// though nobody cancelled it; and if it is given up on.
///
/// # Cancellation safety
///
/// Dropping it drops the start that is just being driven.
pub async fn sweep<S, M, F>(mut make: M) -> Report
where
    S: State,
    M: FnMut(CancellationToken) -> (StateCell<S>, F),
    F: Future<Output: Outcome>,
{
    let watchdog = Watchdog::new();
    let mut sweep = Sweep {
        watchdog: &watchdog,
        report: Report::default(),
        kept: 0,
        is_quiet: false,
    };

    sweep.cancel(Point::Entry, &mut make).await;
    drop_unpolled(&mut make);
    for at in 1.. {
        assert!(
            at <= MOST_POINTS,
            "sweep: the start has more than {MOST_POINTS} suspension points; does it ever return?"
        );
        if !sweep.cancel(Point::Waiting(at), &mut make).await {
            break;
        }
        sweep.report.points = at;
        if !sweep.cancel(Point::Woken(at), &mut make).await {
            break;
        }
    }
    for at in 1..=sweep.report.points {
        sweep.drop_at(at, &mut make).await;
    }
    sweep.report
}

/// What a [`sweep`] went through. `Display` is a small table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    points: usize,
    refusals: usize,
    successes: usize,
    drops: usize,
}

impl Report {
    /// The suspension points of the start, where it returned `Pending`.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The runs that were cancelled and refused.
    pub fn refusals(&self) -> usize {
        self.refusals
    }

    /// The runs that had published before they were cancelled.
    pub fn successes(&self) -> usize {
        self.successes
    }

    /// The runs that were dropped where they waited.
    pub fn drops(&self) -> usize {
        self.drops
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "suspension points       {:>5}", self.points)?;
        writeln!(f, "cancelled and refused   {:>5}", self.refusals)?;
        writeln!(f, "cancelled once running  {:>5}", self.successes)?;
        write!(f, "dropped while starting  {:>5}", self.drops)
    }
}

/// Where a run is interfered with.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// Before the first poll.
    Entry,
    /// Right after the poll that found it waiting for the n-th time.
    Waiting(usize),
    /// Just before the poll that follows.
    Woken(usize),
    /// After it has returned.
    Returned,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry => f.write_str("before the first poll"),
            Self::Waiting(at) => write!(f, "at suspension point {at}, after the poll"),
            Self::Woken(at) => write!(f, "at suspension point {at}, before the next poll"),
            Self::Returned => f.write_str("after the start had succeeded"),
        }
    }
}

struct Sweep<'a> {
    watchdog: &'a Watchdog,
    report: Report,
    /// The handles to the cell that are left when nothing was ever polled: `make` keeps them.
    kept: usize,
    /// A refusal is no failure by its outcome.
    is_quiet: bool,
}

impl Sweep<'_> {
    /// One run, cancelled at `point`, or after it has returned if that is earlier. Whether there
    /// is a point behind it.
    async fn cancel<S, M, F>(&mut self, point: Point, make: &mut M) -> bool
    where
        S: State,
        M: FnMut(CancellationToken) -> (StateCell<S>, F),
        F: Future<Output: Outcome>,
    {
        let token = CancellationToken::new();
        let (cell, start) = make(token.clone());
        let mut start = Box::pin(start);
        let mut published = Box::pin(cell.running());

        let reached = self.drive(point, &cell, start.as_mut()).await;
        let (point, returned) = match reached {
            Reached::Point | Reached::Published => (point, None),
            Reached::Returned(output) => {
                if let Some(failure) = output.failure() {
                    panic!("sweep: the start failed though nobody cancelled it: {failure}");
                }
                (Point::Returned, Some(output))
            }
        };
        let fail = |what: &str| -> ! { panic!("sweep: cancelled {point}: {what}") };

        token.cancel();
        if cell.is_running() {
            fail("cancel() has returned, and the cell reads RUNNING");
        }
        let had_published = matches!(now(published.as_mut()), Some(Ok(())));
        let early = had_published && returned.is_none();

        let output = match returned {
            Some(output) => output,
            None if matches!(point, Point::Entry) => now(start.as_mut()).unwrap_or_else(|| {
                fail("the start has waited, and not returned at its first poll")
            }),
            None => (self.watchdog.wait(start.as_mut()).await)
                .unwrap_or_else(|| fail(&format!("the start has not returned for {PATIENCE:?}"))),
        };
        drop(start);
        let succeeded = output.failure().is_none();
        // What the start returned may hold parts of the service, like its served futures.
        drop(output);
        if !had_published && matches!(now(published.as_mut()), Some(Ok(()))) {
            fail("the start published after cancel() had returned");
        }
        if succeeded && !had_published {
            let refused = cell.shared.load().phase() == Phase::Failed;
            self.is_quiet |= matches!(point, Point::Entry) && refused;
            if !self.is_quiet {
                fail("the start returned success, and never published");
            }
        }
        if !succeeded && had_published && !early {
            fail("the start had published, and returned a failure");
        }
        drop(published);

        if had_published {
            self.report.successes += 1;
            if cell.shared.has_served() && self.watchdog.wait(pin!(cell.stopped())).await.is_none()
            {
                fail(&format!(
                    "what it serves has not ended for {PATIENCE:?}; does it watch the token?"
                ));
            }
        } else {
            self.report.refusals += 1;
            check_refused(&cell, FailureKind::Cancelled).unwrap_or_else(|what| fail(&what));
            if matches!(point, Point::Entry) {
                if cell.shared.has_begun() {
                    fail("an attempt has begun, and STARTING could be read");
                }
                self.kept = cell.shared.handles();
            }
            if !self.is_let_go(&cell).await {
                fail("something that the start has spawned still holds the cell");
            }
        }
        !had_published
    }

    /// One run, dropped at suspension point `at`.
    async fn drop_at<S, M, F>(&mut self, at: usize, make: &mut M)
    where
        S: State,
        M: FnMut(CancellationToken) -> (StateCell<S>, F),
        F: Future<Output: Outcome>,
    {
        let (cell, start) = make(CancellationToken::new());
        let mut start = Box::pin(start);
        let reached = self.drive(Point::Waiting(at), &cell, start.as_mut()).await;
        if !matches!(reached, Reached::Point) {
            // A start on real sockets need not wait as often in each run.
            drop(start);
            cell.request_stop();
            return;
        }
        let fail = |what: &str| -> ! { panic!("sweep: dropped at suspension point {at}: {what}") };
        drop(start);
        check_refused(&cell, FailureKind::Dropped).unwrap_or_else(|what| fail(&what));
        if !self.is_let_go(&cell).await {
            fail("something that the start has spawned still holds the cell");
        }
        self.report.drops += 1;
    }

    /// Polls `start` up to `point`.
    async fn drive<S, F>(
        &self,
        point: Point,
        cell: &StateCell<S>,
        mut start: Pin<&mut F>,
    ) -> Reached<F::Output>
    where
        S: State,
        F: Future,
    {
        let (target, woken) = match point {
            Point::Entry => return Reached::Point,
            Point::Waiting(at) => (at, false),
            Point::Woken(at) => (at, true),
            Point::Returned => (usize::MAX, false),
        };
        let mut polls = 0;
        let driven = poll_fn(|cx| {
            if polls == target {
                return Poll::Ready(Reached::Point);
            }
            if let Poll::Ready(output) = start.as_mut().poll(cx) {
                return Poll::Ready(Reached::Returned(output));
            }
            if cell.shared.load().is_published() {
                return Poll::Ready(Reached::Published);
            }
            polls += 1;
            if polls == target && !woken {
                Poll::Ready(Reached::Point)
            } else {
                Poll::Pending
            }
        });
        match self.watchdog.wait(pin!(driven)).await {
            Some(reached) => reached,
            None => panic!(
                "sweep: the start has waited {PATIENCE:?} for what does not come; does its body \
                 wait for something that it serves, which runs only once it has returned?"
            ),
        }
    }

    /// Whether nobody holds the cell any more but the sweep and whom `make` gave it to. What is
    /// on its way out, as a task that is to be polled once more, is waited for.
    async fn is_let_go<S: State>(&self, cell: &StateCell<S>) -> bool {
        let kept = self.kept;
        let let_go = poll_fn(|cx| {
            if cell.shared.handles() <= kept {
                Poll::Ready(())
            } else {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        });
        self.watchdog.wait(pin!(let_go)).await.is_some()
    }
}

/// The run in which nothing is polled at all.
fn drop_unpolled<S, M, F>(make: &mut M)
where
    S: State,
    M: FnMut(CancellationToken) -> (StateCell<S>, F),
{
    let (cell, start) = make(CancellationToken::new());
    drop(start);
    assert!(
        cell.shared.load().phase() == Phase::Initial,
        "sweep: dropped before the first poll: the state is {}",
        cell.state().name()
    );
}

enum Reached<R> {
    Point,
    /// The body has published early, and is the service now.
    Published,
    Returned(R),
}

/// What is to hold of a start that has not published.
fn check_refused<S: State>(cell: &StateCell<S>, expected: FailureKind) -> Result<(), String> {
    if cell.shared.load().phase() != Phase::Failed {
        let state = cell.state().name();
        return Err(format!(
            "the state is {state}; is the start guarded with `state = ..`, and by this token?"
        ));
    }
    match cell.failure() {
        None => return Err("the cell has failed and does not say why".to_owned()),
        Some(failure) if failure.kind() != expected => {
            return Err(format!("the cause is {failure:?}, and not {expected:?}"));
        }
        Some(_) => {}
    }
    if cell.shared.body_token_is_live() {
        return Err("the token that the body saw is not cancelled".to_owned());
    }
    Ok(())
}

/// The output of a future, if it is ready.
fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Wakes whoever has waited for [`PATIENCE`]. A thread, because the executor is the user's and
/// may have no timers.
struct Watchdog(Arc<(Mutex<Watch>, Condvar)>);

#[derive(Default)]
struct Watch {
    deadline: Option<Instant>,
    waker: Option<Waker>,
    is_over: bool,
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watchdog {
    fn new() -> Self {
        let shared = Arc::new((Mutex::<Watch>::default(), Condvar::new()));
        let watched = Arc::clone(&shared);
        thread::spawn(move || {
            let (watched, changed) = &*watched;
            let mut watch = lock(watched);
            while !watch.is_over {
                let left = watch
                    .deadline
                    .map_or(PATIENCE, |at| at.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    watch.deadline = None;
                    let waker = watch.waker.take();
                    // Woken outside of the lock, which what is woken may want.
                    drop(watch);
                    if let Some(waker) = waker {
                        quietly(|| waker.wake());
                    }
                    watch = lock(watched);
                    continue;
                }
                (watch, _) = changed
                    .wait_timeout(watch, left)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        });
        Self(shared)
    }

    fn update(&self, f: impl FnOnce(&mut Watch)) {
        let (watch, changed) = &*self.0;
        f(&mut lock(watch));
        changed.notify_one();
    }

    /// The output of `future`, or `None` if it has not come in time.
    async fn wait<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let deadline = Instant::now() + PATIENCE;
        let output = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if Instant::now() >= deadline {
                return Poll::Ready(None);
            }
            let waker = Some(cx.waker().clone());
            self.update(|watch| (watch.deadline, watch.waker) = (Some(deadline), waker));
            Poll::Pending
        })
        .await;
        self.update(|watch| (watch.deadline, watch.waker) = (None, None));
        output
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.update(|watch| watch.is_over = true);
    }
}
