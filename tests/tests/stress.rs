//! `cancel()` and a start at the same time, many times over: one cell restarted under token after
//! token, services that serve, a thousand cells under one token, and threads that compete for one
//! cell; on the executors of three crates. Every test counts late publications and results that
//! disagree with the cell, as `examples/race.rs` does, and asserts that there are none.
//!
//! `STRESS=1000000 cargo test --release -p cancel-guarded-tests --test stress` runs that many
//! rounds of each; the default is 2,000.

use std::cell::RefCell;
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::{self, ScopedJoinHandle};

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, NotRunning, StartError, StateCell,
};
use cancel_guarded_tests::{CANCELLED, Count, Gate, Service, TestError, not_startable};
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::join_all;
use futures::task::LocalSpawnExt as _;
use tokio::sync::oneshot;
use tokio_test::task;

fn rounds() -> usize {
    let rounds = env::var("STRESS").ok();
    rounds.map_or(2_000, |rounds| rounds.parse().expect("STRESS is a number"))
}

/// One test at a time: two racing threads need both cores.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The future of a start, which need not be `Send`.
type Start<'a> = Pin<Box<dyn Future<Output = Result<(), TestError>> + 'a>>;

/// The future of `running()`.
type Published = task::Spawn<Boxed<Result<(), NotRunning>>>;

/// Runs the starts.
trait Executor {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;

    /// May be called inside [`block_on`](Self::block_on).
    fn spawn(&self, future: Boxed<()>);
}

/// Two worker threads, and the thread that blocks.
struct Tokio(tokio::runtime::Runtime);

impl Tokio {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build();
        Self(runtime.expect("a runtime"))
    }
}

impl Executor for Tokio {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn spawn(&self, future: Boxed<()>) {
        self.0.spawn(future);
    }
}

/// The thread of smol, and the thread that blocks.
struct Smol;

impl Executor for Smol {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }

    fn spawn(&self, future: Boxed<()>) {
        smol::spawn(future).detach();
    }
}

/// Everything on the thread that blocks.
struct Futures {
    pool: RefCell<LocalPool>,
    spawner: LocalSpawner,
}

impl Futures {
    fn new() -> Self {
        let pool = LocalPool::new();
        let spawner = pool.spawner();
        let pool = RefCell::new(pool);
        Self { pool, spawner }
    }
}

impl Executor for Futures {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.pool.borrow_mut().run_until(future)
    }

    fn spawn(&self, future: Boxed<()>) {
        self.spawner.spawn_local(future).expect("the pool is there");
    }
}

/// Pending once, so that the start can be interrupted there.
#[derive(Default)]
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A clone, a child or a grandchild of `token`.
fn derived(round: usize, token: &CancellationToken) -> CancellationToken {
    match round % 3 {
        0 => token.clone(),
        1 => token.child_token(),
        _ => token.child_token().child_token(),
    }
}

/// Which side goes first in a round.
#[derive(PartialEq, Eq)]
enum Order {
    StartFirst,
    CancelFirst,
    /// Either side.
    Open,
}

impl Order {
    fn of(round: usize) -> Self {
        match round % 16 {
            0 => Self::StartFirst,
            1 => Self::CancelFirst,
            _ => Self::Open,
        }
    }
}

/// How long one side waits before it goes: the canceller if positive, the start if negative. The
/// wait moves until about half of the starts come first, and moves faster while it is wrong to the
/// same side.
#[derive(Default)]
struct Aim {
    wait: AtomicI64,
    step: AtomicI64,
}

impl Aim {
    fn hold_the_canceller(&self) {
        spin(self.wait.load(Ordering::Relaxed));
    }

    fn hold_the_start(&self) {
        spin(-self.wait.load(Ordering::Relaxed));
    }

    fn learn(&self, started: bool) {
        let former = self.step.load(Ordering::Relaxed);
        let direction = if started { -1 } else { 1 };
        let step = if former * direction > 0 {
            (2 * former).clamp(-128, 128)
        } else {
            8 * direction
        };
        self.step.store(step, Ordering::Relaxed);
        // Do not wait for a thread that the system has put to sleep.
        let wait = self.wait.load(Ordering::Relaxed) + step;
        self.wait
            .store(wait.clamp(-20_000, 20_000), Ordering::Relaxed);
    }
}

fn spin(times: i64) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}

fn yield_until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

/// Waits for the next attempt on `cell`.
fn published_by(cell: &StateCell) -> Published {
    task::spawn(Box::pin(cell.running()))
}

/// Whether the attempt that `running` waits for has published.
fn has_published(running: &mut Published) -> bool {
    matches!(running.poll(), Poll::Ready(Ok(())))
}

/// Two waits for the publication of one attempt: for the thread that cancels, and for the one that
/// starts. The body makes them, because before that an ended cell has no attempt to wait for.
#[derive(Clone, Default)]
struct Observers(Arc<[Mutex<Option<Published>>; 2]>);

impl Observers {
    fn bind_to(&self, cell: &StateCell) {
        for observer in self.0.iter() {
            *observer.lock().expect("not poisoned") = Some(published_by(cell));
        }
    }

    /// Whether the attempt has published. If its body has not begun, it has not.
    fn have_seen(&self, which: usize) -> bool {
        let mut observer = self.0[which].lock().expect("not poisoned");
        observer.as_mut().is_some_and(has_published)
    }
}

/// The result of one start.
struct Finish {
    succeeded: bool,
    /// What the canceller read after `cancel()`.
    seen: Lifecycle,
    /// Whether the start had published by then.
    in_time: bool,
    /// What the cell reads after both are done.
    left: Lifecycle,
    /// Whether the start has ever published.
    published: bool,
}

/// The results of all starts of a test.
#[derive(Default)]
struct Tally {
    started: usize,
    refused: usize,
    /// Published after `cancel()`, or read `RUNNING` after it.
    late: usize,
    /// Returned a result that disagrees with the cell.
    disagreeing: usize,
}

impl Tally {
    fn count(&mut self, finish: &Finish) {
        let &Finish {
            succeeded,
            seen,
            in_time,
            left,
            published,
        } = finish;
        if succeeded {
            self.started += 1;
        } else {
            self.refused += 1;
        }
        let is_up = [seen, left].contains(&Lifecycle::Running);
        if is_up || (published && !in_time) {
            self.late += 1;
        }
        let agrees = match left {
            Lifecycle::Failed => !succeeded,
            Lifecycle::Stopping | Lifecycle::Stopped => succeeded,
            Lifecycle::Created | Lifecycle::Starting | Lifecycle::Running => false,
        };
        if !agrees || succeeded != published {
            self.disagreeing += 1;
        }
    }

    /// For tests in which some rounds are forced to end each way.
    fn assert_saw_both(&self) {
        assert!(self.started > 0, "none has started");
        assert!(self.refused > 0, "none was refused");
    }

    fn assert_clean(&self, test: &str) {
        let Self {
            started,
            refused,
            late,
            disagreeing,
        } = self;
        println!(
            "{test}: {started} started, {refused} refused, {late} late, {disagreeing} disagreeing"
        );
        assert_eq!((*late, *disagreeing), (0, 0), "{test}");
    }
}

/// Runs rounds of `start` against a `cancel()` of its token from another thread. `start` gets the
/// number of the round, the token, and what its body binds to the cell, and returns the cell and the
/// future to drive. `settle` gets the result, and checks the end.
fn race<'a>(
    test: &str,
    executor: &impl Executor,
    start: impl Fn(usize, &CancellationToken, Observers) -> (StateCell, Start<'a>),
    settle: impl Fn(usize, &Result<(), TestError>),
) {
    struct Round {
        token: CancellationToken,
        cell: StateCell,
        observers: Observers,
        gates: Arc<[Gate; 2]>,
    }

    let _alone = alone();
    let aim = Aim::default();
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let aim = &aim;
        // Made inside the scope, so that a panic ends the canceller, too.
        let (rounds_to_cancel, rounds_to_come) = mpsc::channel::<Round>();
        let (seen, seen_behind_cancel) = mpsc::channel();
        scope.spawn(move || {
            for (number, round) in rounds_to_come.into_iter().enumerate() {
                round.gates[0].pass();
                match Order::of(number) {
                    Order::StartFirst => yield_until(|| round.cell.is_running()),
                    Order::CancelFirst => {}
                    Order::Open => aim.hold_the_canceller(),
                }
                round.token.cancel();
                let state = round.cell.state();
                let in_time = round.observers.have_seen(0);
                seen.send((state, in_time)).expect("asked for");
                round.gates[1].pass();
            }
        });

        for number in 0..rounds() {
            let token = CancellationToken::new();
            let observers = Observers::default();
            let (cell, start) = start(number, &token, observers.clone());
            let gates = Arc::new([Gate::for_threads(2), Gate::for_threads(2)]);
            let round = Round {
                token: token.clone(),
                cell: cell.clone(),
                observers: observers.clone(),
                gates: Arc::clone(&gates),
            };
            rounds_to_cancel.send(round).expect("the canceller waits");
            gates[0].pass();
            match Order::of(number) {
                Order::StartFirst => {}
                Order::CancelFirst => yield_until(|| token.is_cancelled()),
                Order::Open => aim.hold_the_start(),
            }
            let result = executor.block_on(start);
            gates[1].pass();
            match Order::of(number) {
                Order::StartFirst => assert_eq!(result, Ok(()), "round {number}"),
                Order::CancelFirst => assert_eq!(result, Err(CANCELLED), "round {number}"),
                Order::Open => aim.learn(result.is_ok()),
            }
            assert!(matches!(result, Ok(()) | Err(CANCELLED)), "{result:?}");
            let (seen, in_time) = seen_behind_cancel.recv().expect("the canceller reports");
            tally.count(&Finish {
                succeeded: result.is_ok(),
                seen,
                in_time,
                left: cell.state(),
                published: observers.have_seen(1),
            });
            if result.is_err() {
                let failure = cell.failure().expect("a cause");
                assert_eq!(failure.kind(), FailureKind::Cancelled, "round {number}");
            }
            settle(number, &result);
        }
        drop(rounds_to_cancel);
    });
    tally.assert_clean(test);
    tally.assert_saw_both();
}

/// One cell, restarted under token after token, each cancelled while it starts.
fn restarted(test: &str, executor: &impl Executor) {
    let service = Service::new();
    race(
        test,
        executor,
        |round, token, observers| {
            let token = derived(round, token);
            let cell = &service.state;
            let start: Start<'_> = if round % 2 == 0 {
                Box::pin(service.restart(token, async move {
                    observers.bind_to(cell);
                    Once::default().await;
                    Ok(())
                }))
            } else {
                Box::pin(service.restart_seeing(token, move |_| async move {
                    observers.bind_to(cell);
                    Ok(())
                }))
            };
            (service.state.clone(), start)
        },
        // It has no parts, so the cancelling call ends it, or the start that was refused.
        |_, result| {
            let end = match result {
                Ok(()) => Lifecycle::Stopped,
                Err(_) => Lifecycle::Failed,
            };
            assert_eq!(service.state.state(), end);
        },
    );
}

#[test]
fn restarted_on_futures() {
    restarted("restarted on futures", &Futures::new());
}

#[test]
fn restarted_on_smol() {
    restarted("restarted on smol", &Smol);
}

#[test]
fn restarted_on_tokio() {
    restarted("restarted on tokio", &Tokio::new());
}

/// Services with served tasks, cancelled while they start. Once they read `STOPPED` or `FAILED`,
/// all of their parts are dropped (G4).
fn serving(test: &str, executor: &impl Executor) {
    let service = Service::new();
    // Each part of an attempt holds a clone.
    let parts = Arc::new(());
    race(
        test,
        executor,
        |round, token, observers| {
            let body = {
                let (cell, part) = (service.state.clone(), Arc::clone(&parts));
                move |shutdown: CancellationToken| async move {
                    observers.bind_to(&cell);
                    for _ in 0..2 {
                        let (shutdown, part) = (shutdown.clone(), Arc::clone(&part));
                        executor.spawn(Box::pin(ends_quietly(cell.serve(async move {
                            shutdown.cancelled().await;
                            drop(part);
                        }))));
                        Once::default().await;
                    }
                    Ok(())
                }
            };
            let start = service.restart_seeing(derived(round, token), body);
            (service.state.clone(), Box::pin(start))
        },
        |round, result| {
            let ended = executor.block_on(service.state.stopped());
            assert_eq!(ended, Ok(()), "round {round}");
            assert_eq!(Arc::strong_count(&parts), 1, "left over in round {round}");
            let expected = match result {
                Ok(()) => Lifecycle::Stopped,
                Err(_) => Lifecycle::Failed,
            };
            assert_eq!(service.state.state(), expected, "round {round}");
        },
    );
}

/// Drops the output, which a task cannot return.
async fn ends_quietly(served: impl Future<Output = Option<()>>) {
    let _ = served.await;
}

#[test]
fn serving_on_futures() {
    serving("serving on futures", &Futures::new());
}

#[test]
fn serving_on_smol() {
    serving("serving on smol", &Smol);
}

#[test]
fn serving_on_tokio() {
    serving("serving on tokio", &Tokio::new());
}

/// A thousand cells under one token, which is cancelled while they start, each in a task.
fn a_thousand_cells(test: &str, executor: &impl Executor) {
    const CELLS: usize = 1_000;

    let _alone = alone();
    let mut tally = Tally::default();
    // How many starts publish before the token is cancelled.
    let mut first = 0;
    for round in 0..(rounds() / CELLS).max(4) {
        let token = CancellationToken::new();
        let services: Arc<Vec<_>> = Arc::new((0..CELLS).map(|_| Service::new()).collect());
        let mut published: Vec<Published> = Vec::new();
        let mut published_in_time: Vec<Published> = Vec::new();
        for service in services.iter() {
            published.push(published_by(&service.state));
            published_in_time.push(published_by(&service.state));
        }
        let gate = Arc::new(Gate::for_threads(2));
        let cancelling = thread::spawn({
            let (token, services, gate) = (token.clone(), Arc::clone(&services), Arc::clone(&gate));
            move || {
                let is_running = |service: &Service| service.state.is_running();
                if Order::of(round) == Order::CancelFirst {
                    token.cancel();
                }
                gate.pass();
                match Order::of(round) {
                    Order::StartFirst => yield_until(|| services.iter().all(is_running)),
                    Order::CancelFirst => {}
                    Order::Open => {
                        let up = || services.iter().filter(|service| is_running(service));
                        yield_until(|| up().count() >= first);
                    }
                }
                token.cancel();
                let seen = |(service, running): (&Service, &mut Published)| {
                    (service.state.state(), has_published(running))
                };
                let seen: Vec<_> = (services.iter().zip(&mut published_in_time))
                    .map(seen)
                    .collect();
                seen
            }
        });

        gate.pass();
        let mut results = Vec::new();
        for (i, service) in services.iter().enumerate() {
            let (result, receiver) = oneshot::channel();
            let (service, token) = (service.clone(), derived(i, &token));
            executor.spawn(Box::pin(async move {
                let body = async {
                    Once::default().await;
                    Ok(())
                };
                let _ = result.send(service.start(token, body).await);
            }));
            results.push(receiver);
        }
        let results = executor.block_on(join_all(results));
        let seen = cancelling.join().expect("no panic");
        for (i, service) in services.iter().enumerate() {
            let result = results[i].as_ref().expect("no panic");
            assert!(matches!(result, Ok(()) | Err(CANCELLED)), "{result:?}");
            tally.count(&Finish {
                succeeded: result.is_ok(),
                seen: seen[i].0,
                in_time: seen[i].1,
                left: service.state.state(),
                published: has_published(&mut published[i]),
            });
        }
        first = (first + CELLS / 7) % CELLS;
    }
    tally.assert_clean(test);
    tally.assert_saw_both();
}

#[test]
fn a_thousand_cells_on_futures() {
    a_thousand_cells("a thousand cells on futures", &Futures::new());
}

#[test]
fn a_thousand_cells_on_smol() {
    a_thousand_cells("a thousand cells on smol", &Smol);
}

#[test]
fn a_thousand_cells_on_tokio() {
    a_thousand_cells("a thousand cells on tokio", &Tokio::new());
}

/// Three threads start one cell, each under its own tokens, and a fourth stops it, and rearms it: at
/// most one attempt at a time (G5), and none between a stop and its `rearm` (G7).
#[test]
fn threads_compete_for_one_cell() {
    const STARTERS: usize = 3;

    let _alone = alone();
    let service = Service::new();
    let bodies = AtomicUsize::new(0);
    let start = || {
        let mut tally = Tally::default();
        for round in 0..rounds() {
            let token = CancellationToken::new();
            let result =
                futures::executor::block_on(service.restart(derived(round, &token), async {
                    let _body = Inside::enter(&bodies);
                    Once::default().await;
                    thread::yield_now();
                    Ok(())
                }));
            match result {
                Ok(()) => {
                    tally.started += 1;
                    token.cancel();
                }
                Err(CANCELLED) => tally.refused += 1,
                Err(TestError::Refused(StartError::StopRequested)) => thread::yield_now(),
                Err(error) => {
                    let states = ["Starting", "Running", "Stopping"];
                    let lost = states.map(not_startable);
                    assert!(lost.contains(&error), "{error}");
                }
            }
        }
        tally
    };
    let (tallies, stopped) = thread::scope(|scope| {
        let starting_threads = [(); STARTERS].map(|()| scope.spawn(start));
        let mut stopped = 0;
        while !starting_threads.iter().all(ScopedJoinHandle::is_finished) {
            // Not too often, or no start succeeds.
            for _ in 0..8 {
                thread::yield_now();
            }
            assert!(service.state.request_stop(), "the only thread that stops");
            let ended = futures::executor::block_on(service.state.stopped());
            assert_eq!(ended, Ok(()));
            assert_eq!(bodies.load(Ordering::Acquire), 0, "it stays down");
            assert!(service.state.stop_requested());
            assert!(service.state.rearm());
            stopped += 1;
        }
        (
            starting_threads.map(|thread| thread.join().expect("no panic")),
            stopped,
        )
    });
    let started: usize = tallies.iter().map(|tally| tally.started).sum();
    let refused: usize = tallies.iter().map(|tally| tally.refused).sum();
    println!("threads that compete: {started} started, {refused} refused, {stopped} stops");
    assert!(started > 0 && stopped > 0);
}

/// Two threads make parts of a service and poll them to their end, while a third stops or aborts it:
/// the service ends when the last part is gone, and not before (G4), and every waiter learns of it.
#[test]
fn parts_join_and_end_while_the_service_stops() {
    const CLIENTS: usize = 4;

    let _alone = alone();
    let late = Count::default();
    let (mut politely, mut by_force) = (0, 0);
    for round in 0..rounds() {
        let cell: StateCell = StateCell::new();
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let guard = cell.serve_guard();
        let started = attempt.start_sync(|_| Ok::<_, StartError>(()));
        started.expect("starts");
        let gate = Gate::for_threads(3);
        let is_forced = round % 2 == 0;
        let ended = thread::scope(|scope| {
            scope.spawn(|| {
                gate.pass();
                for _ in 0..CLIENTS {
                    let client = cell.track(Work::of(&cell, &late));
                    futures::executor::block_on(ends_quietly(client));
                }
            });
            scope.spawn(|| {
                gate.pass();
                let served = cell.serve(Work::of(&cell, &late));
                drop(guard);
                futures::executor::block_on(ends_quietly(served));
            });
            gate.pass();
            if is_forced {
                cell.abort();
            } else {
                cell.request_stop();
            }
            futures::executor::block_on(cell.stopped())
        });
        match ended {
            Ok(()) => politely += 1,
            Err(failure) => {
                assert!(is_forced, "round {round}: {failure}");
                assert_eq!(failure.kind(), FailureKind::Dropped, "round {round}");
                by_force += 1;
            }
        }
        assert_eq!(late.get(), 0, "a part was left in round {round}");
    }
    println!("parts that join and end: {politely} ended by themselves, {by_force} by force");
}

/// The work of a part. Once polled, it is a part until it is dropped, and the cell must not read an
/// end before that.
struct Work {
    cell: StateCell,
    late: Count,
    once: Once,
    is_polled: bool,
}

impl Work {
    fn of(cell: &StateCell, late: &Count) -> Self {
        Self {
            cell: cell.clone(),
            late: late.clone(),
            once: Once::default(),
            is_polled: false,
        }
    }
}

impl Future for Work {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.is_polled = true;
        Pin::new(&mut self.once).poll(cx)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let has_ended = matches!(self.cell.state(), Lifecycle::Stopped | Lifecycle::Failed);
        if self.is_polled && has_ended {
            self.late.add();
        }
    }
}

/// Counts a body while it exists.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(bodies: &'a AtomicUsize) -> Self {
        assert_eq!(bodies.fetch_add(1, Ordering::AcqRel), 0, "one attempt");
        Self(bodies)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
