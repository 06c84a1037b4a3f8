//! The costs of the guard that are exact: allocations, bytes, and which calls take the lock.
//! `BENCHMARKS.md` has times and instructions.
//!
//! One test, alone in its process, because it counts every allocation.

use std::alloc::System;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StartError, State, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Service, not_startable, now};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn costs_are_exact() {
    a_cell();
    a_start();
    a_start_that_sees_its_token();
    a_refusal();
    a_future();
    a_check_at_an_await();
}

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

fn a_cell() {
    let (times, bytes) = allocations(StateCell::<cancel_guarded::Lifecycle>::new);
    assert_eq!(times, 1, "one allocation");
    assert!(bytes <= 96, "{bytes} bytes, reference counts and all");
    assert_eq!(size_of::<StateCell>(), size_of::<usize>(), "a handle");

    let cell: StateCell = StateCell::named("cheap");
    assert_eq!(allocations(|| cell.clone()).0, 0, "a clone");
    assert_eq!(allocations(|| (cell.state(), cell.is_running())).0, 0);
}

fn a_start() {
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

fn a_start_that_sees_its_token() {
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
    // The wait for the token, and the token. `sweep` needs one more.
    let expected = if cfg!(feature = "testing") { 3 } else { 2 };
    assert_eq!(by_start.0 - by_cell, expected);
}

fn a_refusal() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let (running, token) = cancel_guarded_tests::running_service();
    let declined = allocations(|| {
        let refused = now(running.start(token.clone(), async { Ok(()) }));
        assert_eq!(refused, Err(not_startable("Running")));
    });
    assert_eq!(declined.0, 0, "the state is looked at first");

    let by_cell = allocations(Service::new).0;
    let refused = allocations(|| {
        let service = Service::new();
        let refused = now(service.start(cancelled.clone(), async { Ok(()) }));
        assert_eq!(refused, Err(CANCELLED));
        service
    });
    assert_eq!(refused.0 - by_cell, 0, "nothing is made to be thrown away");
    let refused = allocations(|| {
        let service = Service::new();
        let seeing = service.start_seeing(cancelled.clone(), |_| async { Ok(()) });
        assert_eq!(now(seeing), Err(CANCELLED));
        service
    });
    assert_eq!(refused.0 - by_cell, 0, "no token of its own either");
}

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

    #[cancel_guarded(state = self.state, token = token)]
    async fn guarded_by_what_it_passes_on(
        &self,
        token: &CancellationToken,
    ) -> Result<CancellationToken, StartError> {
        Ok(token.clone())
    }
}

#[cancel_guarded]
async fn guarded_without_state(shutdown: CancellationToken) -> Result<u16, StartError> {
    Ok(bind().await)
}

async fn bind() -> u16 {
    std::future::ready(80).await
}

fn a_future() {
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
            guarded - bare <= 128,
            "{} bytes more than {bare}",
            guarded - bare
        );
    }
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
    may_go: Mutex<Receiver<()>>,
}

static DOOR: OnceLock<Door> = OnceLock::new();

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
            let door = DOOR.get().expect("a door");
            door.is_held.send(()).expect("the test listens");
            let may_go = door.may_go.lock().expect("not poisoned");
            let told = may_go.recv_timeout(Duration::from_secs(10));
            assert_ne!(told, Err(RecvTimeoutError::Timeout), "the check has waited");
        }
        self.0.index()
    }

    fn name(self) -> &'static str {
        self.0.name()
    }
}

/// After the start has begun, a check is one atomic load: while another thread holds the cell's
/// lock, the body passes its awaits, and the state can be read. (The other thread takes the lock to
/// stop the published service.)
fn a_check_at_an_await() {
    #[cancel_guarded(state = state)]
    async fn start(
        state: &StateCell<Held>,
        shutdown: CancellationToken,
        hold: impl FnOnce(),
        go: impl FnOnce(),
    ) -> Result<(), StartError> {
        state.store(Held::RUNNING);
        hold();
        let first = bind().await;
        bind().await;
        let second = bind().await;
        assert_eq!((first, second), (80, 80));
        go();
        Ok(())
    }

    let cell = StateCell::<Held>::new();
    let (is_held, held) = channel();
    let (go, may_go) = channel();
    let door = Door {
        is_held,
        may_go: Mutex::new(may_go),
    };
    assert!(DOOR.set(door).is_ok(), "the only door");

    thread::scope(|scope| {
        let hold_up = || {
            let cell = cell.clone();
            scope.spawn(move || {
                HOLDS_UP.set(true);
                assert!(cell.request_stop());
            });
            held.recv().expect("the lock is held");
        };
        let go = || {
            assert!(cell.is_running());
            assert_eq!(cell.state(), Held::RUNNING);
            go.send(()).expect("a thread waits");
        };
        let started = now(start(&cell, CancellationToken::new(), hold_up, go));
        assert_eq!(started, Ok(()));
    });
    assert_eq!(cell.state(), Held::STOPPED);
}
