//! [`sweep`]: drives a start into every cancellation that can happen to it.
//!
//! A start can only be cancelled between two polls. The sweep cancels it at each of these points, on
//! your own executor, with one run of your start for each. It finds every time what a test that is
//! repeated under load finds by chance.

mod counts;
mod driven;
mod fn_runs;
mod point;
mod problem;
mod report;
mod run;
mod runs;
mod swept;
mod timeout;
mod woken;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

pub use self::report::{OwnerDrop, Report};
pub use self::swept::{Client, NoClient, Swept, WhileRunning};

use self::counts::{Counted, Counts};
use self::fn_runs::FnRuns;
use self::run::Setting;
use self::runs::Runs;
use self::timeout::Timeout;
use crate::outcome::Outcome;
use crate::sync::CancellationToken;

/// How many suspension points a start may have. [`Sweep::max_points`] sets another number.
pub const DEFAULT_MAX_POINTS: usize = 200;

/// How long a sweep waits while nothing happens. [`Sweep::timeout`] sets another time.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a whole sweep may take. [`Sweep::budget`] sets another time.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(60);

/// Drives a start into every cancellation that can happen to it, and checks what is promised.
///
/// `make` builds a service and its start under the token that it is given, and returns the cell of
/// the service and the future of the start:
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
/// # Runs
///
/// The start is dropped before its first poll. Then it runs without a cancellation until it has
/// published, which shows how many suspension points it has, and the token is cancelled after that.
/// Then the token is cancelled before the first poll, and at every suspension point: after the poll
/// that returned `Pending`, and again when the start was woken, before the next poll. At last the
/// start is dropped at every suspension point.
///
/// - If `make` returns the same cell each time, every run that was refused or dropped is followed by
///   a start on the same service, which has to publish ([`Sweep::fresh_only`] turns this off).
/// - If `make` returns `(service, cell, start)`, one more run drops the service while it is running.
///   [`Report::owner_drop`] says what the service did.
/// - With [`Sweep::while_running`], a client plays before the last cancellation, and before the stop.
/// - The last run tells the cell to stop once the start has published, as
///   [`request_stop`](crate::StateCell::request_stop) does, and does not cancel the token. If that call
///   was the first, the cell is [rearmed](crate::StateCell::rearm) after that.
///
/// # Checks
///
/// - Under a token that is already cancelled, the start returns at its first poll, and no attempt
///   begins. Dropped before its first poll, it changes nothing.
/// - After `cancel()` has returned, the cell does not read `RUNNING`, and nothing is published later.
/// - The start returns success if and only if it has published.
/// - A start that was refused or dropped leaves its cell in `FAILED`, with the cause, its own token
///   is cancelled, and nothing holds the cell.
/// - A service that is cancelled, or told to stop, once it is running ends in `STOPPED`, and not before
///   that.
/// - In a tokio runtime: when the start has published, every task that it has spawned is served or
///   tracked; and after each run no task is left.
///
/// # Tasks
///
/// The tasks of the runtime are counted. Spawn the peers that the service talks to, and let them
/// settle, before the sweep. A peer may spawn tasks of its own on a `current_thread` runtime, if they
/// end with their connections. On a `multi_thread` runtime, give such a peer a runtime of its own, or
/// use [`Sweep::detached_tasks`]. Tasks of a `LocalSet` and of `spawn_blocking` are not counted. To count
/// something else, see [`Sweep::track_count`].
///
/// # Limits of time
///
/// The sweep gives up when nothing happens for [`DEFAULT_TIMEOUT`]: the start is not woken, and no
/// state or part of the cell changes. Once the start is up or cancelled, only a change of state or
/// parts counts, because a loop that polls is woken for ever. The sweep also gives up after [`DEFAULT_BUDGET`], and on a start that
/// has more than [`DEFAULT_MAX_POINTS`] suspension points. A poll that blocks is not interrupted.
///
/// # Panics
///
/// If a check fails, with a message that says which sweep (the name of the cell, and the place of the
/// call), in which run, what is wrong, and what to do about it.
///
/// # Cancellation safety
///
/// Dropping the future drops the start that is being driven.
#[track_caller]
pub fn sweep<M, R>(make: M) -> impl Future<Output = Report>
where
    M: FnMut(CancellationToken) -> R,
    R: Swept,
{
    Sweep::new().run(make)
}

/// As [`sweep`], for a start without a cell: one that is guarded without `state = ..`, or any
/// function that takes a token.
///
/// It is cancelled and dropped at the same points. After every cancellation it has to return a
/// failure, and after every run no task may be left.
///
/// ```
/// # use cancel_guarded::{CancellationToken, StartError, cancel_guarded, testing::sweep_fn};
/// #[cancel_guarded]
/// async fn migrate(shutdown: CancellationToken) -> Result<(), StartError> {
///     tokio::task::yield_now().await;
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = sweep_fn(|shutdown| migrate(shutdown)).await;
/// assert_eq!((report.points(), report.refusals()), (1, 3));
/// # }
/// ```
///
/// If the return type cannot say that the function was refused, as `()`, only the rest is checked.
///
/// # Panics
///
/// As [`sweep`].
///
/// # Cancellation safety
///
/// Dropping the future drops the start that is being driven.
#[track_caller]
pub fn sweep_fn<M, F>(start: M) -> impl Future<Output = Report>
where
    M: FnMut(CancellationToken) -> F,
    F: Future<Output: Outcome>,
{
    Sweep::new().run_fn(start)
}

/// The settings of a sweep, except its counts.
#[derive(Clone, Copy, Debug)]
struct Limits {
    timeout: Duration,
    budget: Duration,
    max_points: usize,
    detached_tasks: usize,
    ends_in_failure: bool,
    ends_by_itself: bool,
    fresh_only: bool,
}

/// A [`sweep`] with other settings.
#[must_use = "nothing is swept until `run` is awaited"]
pub struct Sweep<C = NoClient> {
    limits: Limits,
    counted: Vec<Counted>,
    client: C,
    has_client: bool,
}

impl Sweep {
    /// The settings of [`sweep`].
    pub fn new() -> Self {
        Self {
            limits: Limits {
                timeout: DEFAULT_TIMEOUT,
                budget: DEFAULT_BUDGET,
                max_points: DEFAULT_MAX_POINTS,
                detached_tasks: 0,
                ends_in_failure: false,
                ends_by_itself: false,
                fresh_only: false,
            },
            counted: Vec::new(),
            client: NoClient,
            has_client: false,
        }
    }

    /// Adds a run in which `client` plays with the service before the token is cancelled. It also plays
    /// in the run that tells the cell to stop.
    ///
    /// It gets the service that `make` returns, or the cell if `make` returns no service. What its
    /// future returns is kept until the service has ended. Return the open connections, so that the
    /// service is told to stop while they are open:
    ///
    /// ```
    /// # use std::{io, net::SocketAddr, sync::{Arc, OnceLock}};
    /// # use cancel_guarded::{CancellationToken, StateCell, testing::Sweep};
    /// # use tokio::net::{TcpListener, TcpStream};
    /// # #[derive(Default)]
    /// # struct Server { state: StateCell, addr: OnceLock<SocketAddr> }
    /// # impl Server {
    /// #     fn new() -> Self { Self::default() }
    /// #     fn addr(&self) -> SocketAddr { *self.addr.get().unwrap() }
    /// #     async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
    /// #         self.state.begin(&shutdown)?.start(async |token| {
    /// #             let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// #             let _ = self.addr.set(listener.local_addr()?);
    /// #             tokio::spawn(self.state.serve(async move {
    /// #                 while let Some(Ok(_)) = token.run_until_cancelled(listener.accept()).await {}
    /// #             }));
    /// #             Ok(())
    /// #         }).await
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// Sweep::new()
    ///     .while_running(|server: Arc<Server>| async move {
    ///         let client = TcpStream::connect(server.addr()).await.unwrap();
    ///         client.writable().await.unwrap();
    ///         client.try_write(b"half a req").unwrap();
    ///         client
    ///     })
    ///     .run(|shutdown| {
    ///         let server = Arc::new(Server::new());
    ///         let state = server.state.clone();
    ///         (Arc::clone(&server), state, async move { server.start(shutdown).await })
    ///     })
    ///     .await;
    /// # }
    /// ```
    ///
    /// On a `current_thread` runtime, every task that the service spawns meanwhile has to be served or
    /// tracked. On a `multi_thread` runtime this is not checked, and the report says so.
    pub fn while_running<T, W, F>(self, client: W) -> Sweep<WhileRunning<W>>
    where
        W: FnMut(T) -> F,
        F: Future,
    {
        Sweep {
            limits: self.limits,
            counted: self.counted,
            client: WhileRunning(client),
            has_client: true,
        }
    }

    /// See [`sweep_fn`].
    ///
    /// # Panics
    ///
    /// As [`sweep`].
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future drops the start that is being driven.
    #[track_caller]
    pub fn run_fn<M, F>(self, start: M) -> impl Future<Output = Report>
    where
        M: FnMut(CancellationToken) -> F,
        F: Future<Output: Outcome>,
    {
        let caller = Location::caller();
        async move {
            let counts = Counts::new(self.counted);
            let runs = FnRuns::new(start, counts, self.limits);
            match runs.run().await {
                Ok(report) => report,
                Err(found) => panic!("sweep at {caller}: {found}"),
            }
        }
    }
}

impl<C> Sweep<C> {
    /// How long to wait while nothing happens, instead of [`DEFAULT_TIMEOUT`]. The executor gets a
    /// hundred turns in any case.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How long the whole sweep may take, instead of [`DEFAULT_BUDGET`].
    pub fn budget(mut self, budget: Duration) -> Self {
        self.limits.budget = budget;
        self
    }

    /// How many suspension points the start may have, instead of [`DEFAULT_MAX_POINTS`]. Each of them
    /// takes three runs.
    pub fn max_points(mut self, points: usize) -> Self {
        self.limits.max_points = points;
        self
    }

    /// Allows for `tasks` tasks that the start, or the service for its client, spawns and that are
    /// neither served nor tracked. After the end, none of them may be left.
    ///
    /// For the tasks of a library: `axum::serve` spawns one for each connection, and waits for it in its
    /// graceful shutdown. So a client that opens one connection needs `detached_tasks(1)`.
    pub fn detached_tasks(mut self, tasks: usize) -> Self {
        self.limits.detached_tasks = tasks;
        self
    }

    /// The service is expected to end in `FAILED`, and not in `STOPPED`, when it is cancelled or told to
    /// stop once it is running.
    pub fn ends_in_failure(mut self) -> Self {
        self.limits.ends_in_failure = true;
        self
    }

    /// The service may end by itself, in `STOPPED`, before it is cancelled or told to stop: it does a job,
    /// and is done.
    ///
    /// Without this, the sweep fails if the service has ended before the cancellation, as it does when
    /// its accept loop returns after the first client.
    pub fn ends_by_itself(mut self) -> Self {
        self.limits.ends_by_itself = true;
        self
    }

    /// Does not start a service again after a run that was refused or dropped, if `make` returns the
    /// same cell each time.
    pub fn fresh_only(mut self) -> Self {
        self.limits.fresh_only = true;
        self
    }

    /// After each run `count` has to come back to what it was before the first run, or below. `what`
    /// names what is counted, for the message: open files, registrations, threads.
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
    /// # fn locks_held() -> usize { 0 }
    /// use cancel_guarded::testing::Sweep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// Sweep::new()
    ///     .track_count("locks", locks_held)
    ///     .run(|shutdown| {
    ///         let server = Server::new();
    ///         (server.state.clone(), async move { server.start(shutdown).await })
    ///     })
    ///     .await;
    /// # }
    /// ```
    ///
    /// If the count rises some time after a run, because of a thread that the run has begun, the last
    /// runs are repeated to find the one that left it.
    pub fn track_count(
        mut self,
        what: &'static str,
        count: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        self.counted.push(Counted::new(what, Box::new(count)));
        self
    }

    /// See [`sweep`].
    ///
    /// # Panics
    ///
    /// As [`sweep`].
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future drops the start that is being driven.
    #[track_caller]
    pub fn run<M, R>(self, make: M) -> impl Future<Output = Report>
    where
        M: FnMut(CancellationToken) -> R,
        R: Swept,
        C: Client<R::Service>,
    {
        let caller = Location::caller();
        async move {
            let setting = Setting {
                timeout: Timeout::new(self.limits.timeout, self.limits.budget),
                counts: Counts::new(self.counted),
                limits: self.limits,
                baseline_handles: 0,
                refusal_is_success: false,
            };
            let mut runs = Runs::new(make, self.client, setting);
            runs.report.has_client = self.has_client;
            let Err(found) = runs.run().await else {
                return runs.report;
            };
            match runs.name {
                Some(name) => panic!("sweep of `{name}` at {caller}: {found}"),
                None => panic!("sweep at {caller}: {found}"),
            }
        }
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self::new()
    }
}

impl<C> fmt::Debug for Sweep<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted: Vec<_> = self.counted.iter().map(|counted| counted.what).collect();
        f.debug_struct("Sweep")
            .field("timeout", &self.limits.timeout)
            .field("budget", &self.limits.budget)
            .field("max_points", &self.limits.max_points)
            .field("detached_tasks", &self.limits.detached_tasks)
            .field("ends_in_failure", &self.limits.ends_in_failure)
            .field("ends_by_itself", &self.limits.ends_by_itself)
            .field("fresh_only", &self.limits.fresh_only)
            .field("counted", &counted)
            .field("has_client", &self.has_client)
            .finish_non_exhaustive()
    }
}
