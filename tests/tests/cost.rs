//! The costs of the guard that are exact: allocations, bytes, and which calls take the lock.
//! `BENCHMARKS.md` has times and instructions.
//!
//! Alone in its process, because it counts every allocation. The bounds hold without a subscriber for
//! `tracing`, whether or not that feature is on.

// The size of a parameter is what a test is about.
#![allow(clippy::large_types_passed_by_value)]

use std::alloc::System;
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::Duration;

use cancel_guarded::{CancellationToken, Lifecycle, StartError, State, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Service, not_startable, now, running_service};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_test::{assert_pending, task};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time, because each counts every allocation of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most bytes that the guard adds to the future of a start. Its task's waker is among them, so
/// that no poll after the first takes the lock.
const FUTURE: usize = 144;

/// The bytes that `sweep` counts attempts in.
const COUNTS: usize = if cfg!(feature = "testing") { 16 } else { 0 };

/// So often that what is kept in each round outweighs what else the process allocates.
const ROUNDS: usize = 1000;

/// A large parameter.
const PAGE: usize = 4096;

/// The number of allocations of `f`, and their bytes. The least of several runs, because the main
/// thread of the test harness allocates now and then.
fn allocations<T>(f: impl Fn() -> T) -> (usize, usize) {
    let runs = (0..20).map(|_| {
        let region = Region::new(GLOBAL);
        let value = black_box(f());
        let change = region.change();
        drop(value);
        (change.allocations, change.bytes_allocated)
    });
    runs.min().unwrap_or_default()
}

#[test]
fn a_cell_is_one_small_allocation() {
    let _alone = alone();
    let (times, bytes) = allocations(StateCell::<Lifecycle>::new);
    assert_eq!(times, 1, "one allocation");
    assert!(
        bytes <= 96 + COUNTS,
        "{bytes} bytes, reference counts and all"
    );
    assert_eq!(size_of::<StateCell>(), size_of::<usize>(), "a handle");

    let cell: StateCell = StateCell::named("cheap");
    assert_eq!(allocations(|| cell.clone()).0, 0, "a clone");
    assert_eq!(allocations(|| (cell.state(), cell.is_running())).0, 0);
}

#[test]
fn a_start_allocates_its_wait() {
    let _alone = alone();
    let token = CancellationToken::new();
    let by_cell = allocations(Service::new).0;
    let by_start = allocations(|| {
        let service = Service::new();
        now(service.start(token.clone(), async { Ok(()) })).expect("starts");
        service
    });
    assert_eq!(by_start.0 - by_cell, 1, "what waits for the token");

    let by_start = allocations(|| {
        let service = Starts {
            state: StateCell::new(),
        };
        now(service.guarded_by_what_it_passes_on(&token)).expect("starts");
        service
    });
    assert_eq!(by_start.0 - by_cell, 1, "and no token of its own");

    let without_state = allocations(|| now(guarded_without_state(token.clone())));
    assert_eq!(without_state.0 - by_cell, 1, "in a hidden cell");
}

#[test]
fn a_start_that_sees_its_token_allocates_one_more() {
    let _alone = alone();
    let token = CancellationToken::new();
    // The token's list of children does not grow if it has had more children before.
    let children: Vec<_> = (0..8).map(|_| token.child_token()).collect();
    let by_cell = allocations(Service::new).0;
    let by_start = allocations(|| {
        let service = Service::new();
        now(service.start_seeing(token.clone(), |_| async { Ok(()) })).expect("starts");
        service
    });
    drop(children);
    // The wait for the token, and the token.
    assert_eq!(by_start.0 - by_cell, 2);
}

#[test]
fn a_running_service_keeps_few_bytes() {
    let _alone = alone();
    let token = CancellationToken::new();
    // The token's list of children does not grow if it has had more children before.
    let children: Vec<_> = (0..8).map(|_| token.child_token()).collect();
    let running = allocations(|| {
        let starts = Starts::default();
        now(starts.guarded_by_what_it_does_not_see(token.clone())).expect("starts");
        starts
    });
    let with_own_token = allocations(|| {
        let starts = Starts::default();
        now(starts.guarded(token.clone())).expect("starts");
        starts
    });
    drop(children);
    assert!(running.1 <= 168 + COUNTS, "{running:?}");
    assert!(with_own_token.1 <= 296 + COUNTS, "{with_own_token:?}");
}

#[test]
fn a_start_of_a_running_service_allocates_nothing() {
    let _alone = alone();
    let (running, token) = running_service();
    let declined = allocations(|| {
        let refused = now(running.start(token.clone(), async { Ok(()) }));
        assert_eq!(refused, Err(not_startable("Running")));
    });
    assert_eq!(declined.0, 0, "the state is checked first");
}

#[test]
fn a_refusal_keeps_nothing() {
    let _alone = alone();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let service = Service::new();
    let refused = now(service.start(cancelled.clone(), async { Ok(()) }));
    assert_eq!(refused, Err(CANCELLED));

    let region = Region::new(GLOBAL);
    for _ in 0..ROUNDS {
        let service = Service::new();
        let refused = now(service.start(cancelled.clone(), async { Ok(()) }));
        assert_eq!(refused, Err(CANCELLED));
        let seeing = service.start_seeing(cancelled.clone(), |_| async { Ok(()) });
        assert_eq!(now(seeing), Err(not_startable("Failed")));
        let service = Service::new();
        let seeing = service.start_seeing(cancelled.clone(), |_| async { Ok(()) });
        assert_eq!(now(seeing), Err(CANCELLED));
    }
    let change = region.change();
    let kept = change.allocations.saturating_sub(change.deallocations);
    // The main thread of the test harness allocates now and then.
    assert!(kept < ROUNDS, "{change:?}");
}

/// Neither the token, nor the wait for it.
#[test]
fn a_service_that_has_ended_keeps_its_cell_alone() {
    let _alone = alone();
    let token = CancellationToken::new();
    let kept = |life: fn(&Starts, CancellationToken)| {
        let mut ended = Vec::with_capacity(ROUNDS);
        let region = Region::new(GLOBAL);
        ended.extend((0..ROUNDS).map(|_| {
            let starts = Starts::default();
            life(&starts, token.clone());
            assert!(starts.state.request_stop());
            assert_eq!(starts.state.state(), Lifecycle::Stopped);
            starts
        }));
        let change = region.change();
        change.allocations - change.deallocations
    };
    // The main thread of the test harness allocates now and then.
    let cells = ROUNDS / 2..ROUNDS * 3 / 2;
    let without_own_token = kept(|starts, token| {
        now(starts.guarded_by_what_it_does_not_see(token)).expect("starts");
    });
    assert!(cells.contains(&without_own_token), "{without_own_token}");
    let with_own_token = kept(|starts, token| {
        now(starts.guarded(token)).expect("starts");
    });
    assert!(cells.contains(&with_own_token), "{with_own_token}");
}

#[derive(Default)]
struct Starts {
    state: StateCell,
}

impl Starts {
    async fn bare(&self, shutdown: CancellationToken) -> Result<u16, StartError> {
        let port = bind().await;
        drop(shutdown);
        Ok(port)
    }

    #[cancel_guarded(state = self.state)]
    async fn guarded(&self, shutdown: CancellationToken) -> Result<u16, StartError> {
        let port = bind().await;
        drop(shutdown);
        Ok(port)
    }

    #[cancel_guarded(state = self.state)]
    async fn guarded_by_what_it_does_not_see(
        &self,
        shutdown: CancellationToken,
    ) -> Result<u16, StartError> {
        Ok(bind().await)
    }

    #[cancel_guarded(state = self.state, token = &token)]
    async fn guarded_by_what_it_passes_on(
        &self,
        token: &CancellationToken,
    ) -> Result<CancellationToken, StartError> {
        Ok(token.clone())
    }
}

impl Starts {
    #[cancel_guarded(state = self.state)]
    async fn guarded_with_page(
        &self,
        shutdown: CancellationToken,
        page: [u8; PAGE],
    ) -> Result<u16, StartError> {
        let port = self.bare(shutdown).await?;
        Ok(port + u16::from(page[0]))
    }
}

#[cancel_guarded]
async fn guarded_without_state(shutdown: CancellationToken) -> Result<u16, StartError> {
    Ok(bind().await)
}

async fn bind() -> u16 {
    std::future::ready(80).await
}

#[test]
fn a_future_grows_by_little() {
    let _alone = alone();
    let starts = Starts {
        state: StateCell::new(),
    };
    let token = CancellationToken::new();
    let bare = size_of_val(&starts.bare(token.clone()));
    for guarded in [
        size_of_val(&starts.guarded(token.clone())),
        size_of_val(&starts.guarded_by_what_it_does_not_see(token.clone())),
    ] {
        assert!(
            guarded - bare <= FUTURE,
            "{} bytes more than {bare}",
            guarded - bare
        );
    }
}

/// A parameter is moved from the function into its body. Rust keeps room for it in both, and a word
/// more for alignment.
#[test]
fn a_parameter_is_kept_once_more() {
    let _alone = alone();
    let (starts, token) = (Starts::default(), CancellationToken::new());
    let page = [0; PAGE];
    let bare = size_of_val(&bare_with_page(&starts, token.clone(), page));
    let guarded = size_of_val(&starts.guarded_with_page(token, page));
    assert!(
        guarded - bare <= PAGE + FUTURE + size_of::<usize>(),
        "{guarded} bytes, and {bare} without the guard"
    );
}

async fn bare_with_page(
    starts: &Starts,
    shutdown: CancellationToken,
    page: [u8; PAGE],
) -> Result<u16, StartError> {
    let port = starts.bare(shutdown).await?;
    Ok(port + u16::from(page[0]))
}

/// A start that serves one future.
#[test]
fn a_start_that_serves_allocates_four_times() {
    let _alone = alone();
    let token = CancellationToken::new();
    let children: Vec<_> = (0..8).map(|_| token.child_token()).collect();
    let by_cell = allocations(Service::new).0;
    let by_start = allocations(|| {
        let service = Service::new();
        let served = now(service.start_seeing(token.clone(), |token| async {
            Ok(service.state.serve(token.cancelled_owned()))
        }));
        (service.state.clone(), served.expect("starts"))
    });
    drop(children);
    // The wait for the token, the token, the lists of the cell with the part, and the future.
    assert!(by_start.0 - by_cell <= 4, "{by_start:?}");
}

/// A state whose `index` blocks on request. `index` is called under the lock, so a test can hold
/// the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cancel_guarded::State)]
enum Plain {
    #[state(initial)]
    New,
    #[state(starting)]
    Starting,
    #[state(running)]
    Up,
    #[state(stopping)]
    Stopping,
    #[state(stopped)]
    Stopped,
    #[state(failed)]
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held(Plain);

thread_local! {
    static HOLDS_UP: Cell<bool> = const { Cell::new(false) };
}

/// Where the thread with the lock reports it, and waits for `may_go`.
struct Door {
    is_held: Sender<()>,
    may_go: Receiver<()>,
}

static DOOR: Mutex<Option<Door>> = Mutex::new(None);

impl State for Held {
    const INITIAL: Self = Self(Plain::INITIAL);
    const STARTING: Self = Self(Plain::STARTING);
    const RUNNING: Self = Self(Plain::RUNNING);
    const STOPPING: Self = Self(Plain::STOPPING);
    const STOPPED: Self = Self(Plain::STOPPED);
    const FAILED: Self = Self(Plain::FAILED);
    const VARIANTS: &'static [Self] = &[
        Self(Plain::New),
        Self(Plain::Starting),
        Self(Plain::Up),
        Self(Plain::Stopping),
        Self(Plain::Stopped),
        Self(Plain::Failed),
    ];

    fn index(self) -> u8 {
        if HOLDS_UP.get() {
            HOLDS_UP.set(false);
            let door = DOOR.lock().expect("not poisoned").take().expect("a door");
            door.is_held.send(()).expect("the test listens");
            let told = door.may_go.recv_timeout(Duration::from_secs(10));
            assert_ne!(told, Err(RecvTimeoutError::Timeout), "the check has waited");
        }
        self.0.index()
    }

    fn name(self) -> &'static str {
        self.0.name()
    }
}

/// Only the first cause is kept, so no other has its text made.
#[test]
fn a_lost_part_that_is_not_the_cause_allocates_nothing() {
    let _alone = alone();
    let (service, _token) = running_service();
    let served: Vec<_> = (0..30)
        .map(|_| service.state.serve(pending::<()>()))
        .collect();
    let served = RefCell::new(served);
    assert!(service.state.fail("disk full"));
    let by_drop = allocations(|| drop(served.borrow_mut().pop()));
    assert_eq!(by_drop.0, 0);
    assert!(!served.borrow().is_empty(), "each run has dropped one");
}

/// Lets another thread stop the service, and returns when that thread has the lock of the cell. It
/// keeps the lock until the returned sender is used.
fn lock<'scope>(scope: &'scope Scope<'scope, '_>, cell: &StateCell<Held>) -> Sender<()> {
    let (is_held, held) = channel();
    let (go, may_go) = channel();
    *DOOR.lock().expect("not poisoned") = Some(Door { is_held, may_go });
    let cell = cell.clone();
    scope.spawn(move || {
        HOLDS_UP.set(true);
        assert!(cell.request_stop());
    });
    held.recv().expect("the lock is held");
    go
}

/// After the start has begun, a check is one atomic load: while another thread holds the cell's
/// lock, the body passes its awaits, and the state can be read.
#[test]
fn a_check_at_an_await_takes_no_lock() {
    #[cancel_guarded(run, state = state)]
    async fn run(
        state: &StateCell<Held>,
        shutdown: CancellationToken,
        lock: impl FnOnce() -> Sender<()>,
    ) -> Result<(), StartError> {
        state.store(Held::RUNNING);
        let go = lock();
        let first = bind().await;
        bind().await;
        let second = bind().await;
        assert_eq!((first, second), (80, 80));
        assert!(state.is_running());
        assert_eq!(state.state(), Held::RUNNING);
        go.send(()).expect("a thread waits");
        Ok(())
    }

    let _alone = alone();
    let cell = StateCell::<Held>::new();
    thread::scope(|scope| {
        let ran = now(run(&cell, CancellationToken::new(), || lock(scope, &cell)));
        assert_eq!(ran, Ok(()));
    });
    assert_eq!(cell.state(), Held::STOPPED);
}

/// A served or tracked future that runs is polled without the lock.
#[test]
fn a_poll_of_a_part_takes_no_lock() {
    let _alone = alone();
    let cell = StateCell::<Held>::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let parts = attempt.start_sync(|_| {
        let parts = [cell.serve(pending::<()>()), cell.track(pending::<()>())];
        Ok::<_, StartError>(parts)
    });
    let mut parts = parts.expect("starts").map(task::spawn);
    for part in &mut parts {
        assert_pending!(part.poll());
    }
    thread::scope(|scope| {
        let go = lock(scope, &cell);
        for part in &mut parts {
            assert_pending!(part.poll());
        }
        go.send(()).expect("a thread waits");
    });
    assert_eq!(cell.state(), Held::STOPPING);
}
