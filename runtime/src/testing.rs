//! [`sweep`]: a start driven into every cancellation that can happen to it.
//!
//! A race found by running a test ten times under load is found by chance. A start can only be
//! cancelled *between* two polls, and it has only so many of them: the sweep goes through all of
//! these points, on your own executor, one run of your start for each.

mod patience;
mod woken;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use self::patience::Patience;
use self::woken::WhenWoken;
use crate::cell::StateCell;
use crate::failure::FailureKind;
use crate::outcome::Outcome;
use crate::state::State;
use crate::sync::CancellationToken;
use crate::word::Phase;

/// How many suspension points a start may have before [`sweep`] gives up on it.
/// [`Sweep::most_points`] sets another bound.
pub const MOST_POINTS: usize = 1_000;

/// How long [`sweep`] waits for a start, or for what a start has left behind, before it gives up.
/// [`Sweep::patience`] sets another time.
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
///   neither, but a listener, say, is not seen**, unless you say how to count tasks, as
///   [`Sweep::counting`] shows.
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
pub async fn sweep<S, M, F>(make: M) -> Report
where
    S: State,
    M: FnMut(CancellationToken) -> (StateCell<S>, F),
    F: Future<Output: Outcome>,
{
    Sweep::new().run(make).await
}

/// A [`sweep`] that is told more: what to count, how long to wait, and when to give up.
///
/// What `make` has to return, what is checked, and when it panics is told there.
pub struct Sweep {
    patience: Duration,
    most_points: usize,
    counted: Vec<Counted>,
}

impl Sweep {
    /// As [`sweep`] does it.
    pub fn new() -> Self {
        Self {
            patience: PATIENCE,
            most_points: MOST_POINTS,
            counted: Vec::new(),
        }
    }

    /// After each run `count` must come back to what it was before the first, or below. `what`
    /// is what it counts, for the message.
    ///
    /// This finds what a start has spawned without [`serve`](StateCell::serve), and what nobody
    /// ends:
    ///
    /// ```
    /// # use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
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
    /// use cancel_guarded::testing::Sweep;
    /// use tokio::runtime::Handle;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// Sweep::new()
    ///     .counting("tasks", || Handle::current().metrics().num_alive_tasks())
    ///     .run(|shutdown| {
    ///         let server = Server::new();
    ///         (server.state.clone(), async move { server.start(shutdown).await })
    ///     })
    ///     .await;
    /// # }
    /// ```
    ///
    /// What is on its way out is waited for. So nothing else may begin meanwhile what `count`
    /// counts: spawn what the service talks to, and let it settle, before the sweep.
    #[must_use]
    pub fn counting(
        mut self,
        what: &'static str,
        count: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        self.counted.push(Counted {
            what,
            count: Box::new(count),
            before: 0,
        });
        self
    }

    /// How long to wait, instead of [`PATIENCE`], for a start, or for what it has left behind,
    /// before giving up. A hundred polls are waited for in any case.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many suspension points the start may have, instead of [`MOST_POINTS`]. Each takes
    /// three runs, and each of them all the points before.
    #[must_use]
    pub fn most_points(mut self, points: usize) -> Self {
        self.most_points = points;
        self
    }

    /// See [`sweep`].
    ///
    /// # Panics
    ///
    /// As [`sweep`] does; and if something that is counted has become more.
    ///
    /// # Cancellation safety
    ///
    /// Dropping it drops the start that is just being driven.
    pub async fn run<S, M, F>(self, mut make: M) -> Report
    where
        S: State,
        M: FnMut(CancellationToken) -> (StateCell<S>, F),
        F: Future<Output: Outcome>,
    {
        let Self {
            patience,
            most_points,
            mut counted,
        } = self;
        for counted in &mut counted {
            counted.before = (counted.count)();
        }
        let mut runs = Runs {
            patience: Patience::of(patience),
            counted,
            report: Report::default(),
            kept: 0,
            is_quiet: false,
        };

        runs.cancel(Point::Entry, &mut make).await;
        runs.drop_unpolled(&mut make).await;
        for at in 1.. {
            assert!(
                at <= most_points,
                "sweep: the start has more than {most_points} suspension points; does it ever return?"
            );
            if !runs.cancel(Point::Waiting(at), &mut make).await {
                break;
            }
            runs.report.points = at;
            if !runs.cancel(Point::Woken(at), &mut make).await {
                break;
            }
        }
        for at in 1..=runs.report.points {
            runs.drop_at(at, &mut make).await;
        }
        runs.report
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted: Vec<_> = self.counted.iter().map(|counted| counted.what).collect();
        f.debug_struct("Sweep")
            .field("patience", &self.patience)
            .field("most_points", &self.most_points)
            .field("counted", &counted)
            .finish()
    }
}

/// Something of which a run must leave no more than there was.
struct Counted {
    what: &'static str,
    count: Box<dyn Fn() -> usize + Send + Sync>,
    /// Before the first run, and so without anything that one has left.
    before: usize,
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

/// The runs of one sweep.
struct Runs {
    patience: Patience,
    counted: Vec<Counted>,
    report: Report,
    /// The handles to the cell that are left when nothing was ever polled: `make` keeps them.
    kept: usize,
    /// A refusal is no failure by its outcome.
    is_quiet: bool,
}

impl Runs {
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
                    let cause = cell.failure().map(|cause| cause.to_string());
                    let failure = match cause {
                        Some(cause) if cause != failure => format!("{failure} ({cause})"),
                        _ => failure,
                    };
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
            None => (self.patience.wait(start.as_mut()).await).unwrap_or_else(|| {
                let time = self.patience.time();
                fail(&format!("the start has not returned for {time:?}"))
            }),
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
            if cell.shared.has_served() && self.patience.wait(pin!(cell.stopped())).await.is_none()
            {
                let time = self.patience.time();
                fail(&format!(
                    "what it serves has not ended for {time:?}; does it watch the token?"
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
        self.settles().await.unwrap_or_else(|what| fail(&what));
        !had_published
    }

    /// One run, dropped at suspension point `at`.
    async fn drop_at<S, M, F>(&mut self, at: usize, make: &mut M)
    where
        S: State,
        M: FnMut(CancellationToken) -> (StateCell<S>, F),
        F: Future<Output: Outcome>,
    {
        let token = CancellationToken::new();
        let (cell, start) = make(token.clone());
        let mut start = Box::pin(start);
        let reached = self.drive(Point::Waiting(at), &cell, start.as_mut()).await;
        let fail = |what: &str| -> ! { panic!("sweep: dropped at suspension point {at}: {what}") };
        if !matches!(reached, Reached::Point) {
            // A start on real sockets need not wait as often in each run.
            drop((start, reached));
            token.cancel();
            self.settles().await.unwrap_or_else(|what| fail(&what));
            return;
        }
        drop(start);
        check_refused(&cell, FailureKind::Dropped).unwrap_or_else(|what| fail(&what));
        if !self.is_let_go(&cell).await {
            fail("something that the start has spawned still holds the cell");
        }
        self.settles().await.unwrap_or_else(|what| fail(&what));
        self.report.drops += 1;
    }

    /// The run in which nothing is polled at all.
    async fn drop_unpolled<S, M, F>(&mut self, make: &mut M)
    where
        S: State,
        M: FnMut(CancellationToken) -> (StateCell<S>, F),
    {
        let (cell, start) = make(CancellationToken::new());
        let fail = |what: &str| -> ! { panic!("sweep: dropped before the first poll: {what}") };
        drop(start);
        if cell.shared.load().phase() != Phase::Initial {
            fail(&format!("the state is {}", cell.state().name()));
        }
        self.settles().await.unwrap_or_else(|what| fail(&what));
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
        let mut woken_start = WhenWoken::default();
        let driven = poll_fn(|cx| {
            // A poll that the start did not ask for, as by our own patience, is no point of it.
            let Some(polled) =
                woken_start.poll(cx, |cx| (polls < target).then(|| start.as_mut().poll(cx)))
            else {
                return Poll::Pending;
            };
            match polled {
                None => return Poll::Ready(Reached::Point),
                Some(Poll::Ready(output)) => return Poll::Ready(Reached::Returned(output)),
                Some(Poll::Pending) => {}
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
        match self.patience.wait(pin!(driven)).await {
            Some(reached) => reached,
            None => panic!(
                "sweep: the start has waited {time:?} for what does not come; does its body wait \
                 for something that it serves, which runs only once it has returned, or run until \
                 it is cancelled without `store(RUNNING)`, or need more `Sweep::patience`?",
                time = self.patience.time(),
            ),
        }
    }

    /// Whether nobody holds the cell any more but the sweep and whom `make` gave it to. What is
    /// on its way out, as a task that is to be polled once more, is waited for.
    async fn is_let_go<S: State>(&self, cell: &StateCell<S>) -> bool {
        let kept = self.kept;
        self.patience.comes(|| cell.shared.handles() <= kept).await
    }

    /// Whether what is counted is no more than it was, once what is on its way out is gone.
    async fn settles(&self) -> Result<(), String> {
        for Counted {
            what,
            count,
            before,
        } in &self.counted
        {
            if !self.patience.comes(|| count() <= *before).await {
                return Err(format!(
                    "{what}: {} now, {before} before the sweep; what the start has begun \
                     outlives it",
                    count()
                ));
            }
        }
        Ok(())
    }
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
