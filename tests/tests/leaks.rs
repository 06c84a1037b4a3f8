//! No end of an attempt leaks a body, a cell, a token or a byte. Cell, wait and token do not keep
//! each other alive.
//!
//! One test alone in its process, because it counts every allocation. The main thread of the test
//! harness allocates, too. So a leak is an amount that grows with each round: as many allocations
//! as rounds, or as many bytes.

use std::alloc::System;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Service, TestError, failed, not_startable, now};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio_test::{assert_pending, task};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 10_000;

/// The values that live through all rounds.
struct World {
    token: CancellationToken,
    cancelled: CancellationToken,
    /// A service that is restarted in each round.
    restarted: Service,
    /// Each body, value and served future that is alive holds a clone.
    parts: Arc<()>,
}

impl World {
    fn new() -> Self {
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        Self {
            token: CancellationToken::new(),
            cancelled,
            restarted: Service::new(),
            parts: Arc::new(()),
        }
    }

    fn part(&self) -> Arc<()> {
        Arc::clone(&self.parts)
    }

    /// A body that holds a part and returns it.
    fn succeeds(&self) -> impl Future<Output = Result<Arc<()>, TestError>> + use<> {
        let part = self.part();
        async { Ok(part) }
    }

    /// A body that holds a part and never ends.
    fn waits(&self) -> impl Future<Output = Result<(), TestError>> + use<> {
        let part = self.part();
        async move {
            pending::<()>().await;
            drop(part);
            Ok(())
        }
    }

    /// A running service whose body sees its token.
    fn running(&self, under: &CancellationToken) -> Service {
        let service = Service::new();
        let started = now(service.start_seeing(under.clone(), |_| self.succeeds()));
        started.expect("starts");
        service
    }
}

/// What is alive since a region began.
#[derive(Debug)]
struct Left {
    parts: usize,
    allocations: usize,
    bytes: usize,
}

impl Left {
    fn since(region: &Region<'_, System>, world: &World) -> Self {
        let change = region.change();
        Self {
            parts: Arc::strong_count(&world.parts) - 1,
            allocations: change.allocations.saturating_sub(change.deallocations),
            bytes: (change.bytes_allocated).saturating_sub(change.bytes_deallocated),
        }
    }

    fn is_nothing(&self) -> bool {
        self.parts == 0 && self.allocations < ROUNDS && self.bytes < ROUNDS
    }
}

/// Starts a service, and ends it or drops it.
type Life = fn(&World);

const LIVES: &[(&str, Life)] = &[
    ("running, then forgotten", |world| {
        let service = Service::new();
        let started = now(service.start(world.token.clone(), world.succeeds()));
        assert!(started.is_ok());
    }),
    ("running with a token of its own, then forgotten", |world| {
        world.running(&world.token);
    }),
    ("stopped", |world| {
        let service = world.running(&world.token);
        assert!(service.state.request_stop());
    }),
    ("cancelled while running", |world| {
        let token = world.token.child_token();
        let service = world.running(&token);
        token.cancel();
        assert_eq!(service.state.state(), Lifecycle::Stopped);
    }),
    ("failed", |world| {
        let part = world.part();
        let service = Service::new();
        let failed = now(service.start_seeing(world.token.clone(), |_| async move {
            let _ = &part;
            Err::<(), _>(TestError::Own("no"))
        }));
        assert!(failed.is_err());
    }),
    ("panicked", |world| {
        let part = world.part();
        let service = Service::new();
        let start = service.start_seeing::<(), _>(world.token.clone(), |_| async move {
            let _ = &part;
            resume_unwind(Box::new("no"))
        });
        assert!(catch_unwind(AssertUnwindSafe(|| now(start))).is_err());
    }),
    ("never polled", |world| {
        let service = Service::new();
        drop(service.start_seeing(world.token.clone(), |_| world.waits()));
    }),
    ("dropped while starting", |world| {
        let service = Service::new();
        let mut start = task::spawn(service.start_seeing(world.token.clone(), |_| world.waits()));
        assert_pending!(start.poll());
    }),
    ("refused at entry", |world| {
        let service = Service::new();
        let refused = now(service.start(world.cancelled.clone(), world.waits()));
        assert_eq!(refused, Err(CANCELLED));
    }),
    ("refused at entry, with a token of its own", |world| {
        let service = Service::new();
        let refused = now(service.start_seeing(world.cancelled.clone(), |_| world.waits()));
        assert_eq!(refused, Err(CANCELLED));
    }),
    ("refused while it waits", |world| {
        let token = world.token.child_token();
        let service = Service::new();
        let mut start = task::spawn(service.start_seeing(token.clone(), |_| world.waits()));
        assert_pending!(start.poll());
        token.cancel();
        assert_eq!(now(start), Err(CANCELLED));
    }),
    ("refused by a failure", |world| {
        let service = Service::new();
        let mut start = task::spawn(service.start_seeing(world.token.clone(), |_| world.waits()));
        assert_pending!(start.poll());
        assert!(service.state.fail("disk full"));
        assert_eq!(now(start), Err(failed("disk full")));
    }),
    ("refused by a service that is up", |world| {
        let service = world.running(&world.token);
        let refused = now(service.start_seeing(world.token.clone(), |_| world.waits()));
        assert_eq!(refused, Err(not_startable("Running")));
    }),
    ("served to the end", |world| {
        let service = Service::new();
        let part = world.part();
        let served = now(service.start_seeing(world.token.clone(), |_| async {
            Ok(service.state.serve(async move { drop(part) }))
        }));
        assert_eq!(now(served.expect("starts")), Some(()));
        assert_eq!(service.state.state(), Lifecycle::Stopped);
    }),
    ("refused with a served future", |world| {
        let token = world.token.child_token();
        let service = Service::new();
        let part = world.part();
        let mut start = task::spawn(service.start_seeing::<(), _>(token.clone(), |_| async {
            let _served = service.state.serve(async move {
                pending::<()>().await;
                drop(part);
            });
            pending().await
        }));
        assert_pending!(start.poll());
        token.cancel();
        assert_eq!(now(start), Err(CANCELLED));
    }),
    (
        "forgotten by its waiters, its served future lost",
        |world| {
            let service = Service::new();
            let mut running = task::spawn(service.state.running());
            assert_pending!(running.poll());
            let part = world.part();
            let served = now(service.start_seeing(world.token.clone(), |_| async {
                Ok(service.state.serve(async move {
                    pending::<()>().await;
                    drop(part);
                }))
            }));
            let mut stopped = task::spawn(service.state.stopped());
            assert_pending!(stopped.poll());
            let mut seen = task::spawn(service.state.wait_for(|state| state == Lifecycle::Stopped));
            assert_pending!(seen.poll());
            assert!(served.is_ok());
        },
    ),
    ("restarted after it was stopped", |world| {
        let (service, cell) = (&world.restarted, &world.restarted.state);
        let started = now(service.restart_seeing(world.token.clone(), |_| world.succeeds()));
        assert!(started.is_ok());
        assert!(cell.request_stop());
        assert!(cell.rearm());
    }),
    ("restarted after it was refused", |world| {
        let token = world.token.child_token();
        let service = &world.restarted;
        let mut start = task::spawn(service.restart_seeing(token.clone(), |_| world.waits()));
        assert_pending!(start.poll());
        token.cancel();
        assert_eq!(now(start), Err(CANCELLED));
        assert!(service.state.failure().is_some());
    }),
    ("a run that is cancelled", |world| {
        let token = world.token.child_token();
        let cell = StateCell::new();
        let mut run = task::spawn(runs(&cell, token.clone(), world.part()));
        assert_pending!(run.poll());
        assert!(cell.is_running());
        token.cancel();
        assert_eq!(now(run), Ok(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
    }),
    ("a run that is dropped", |world| {
        let cell = StateCell::new();
        let mut run = task::spawn(runs(&cell, world.token.clone(), world.part()));
        assert_pending!(run.poll());
    }),
    ("aborted, some of its parts unpolled", |world| {
        let service = world.running(&world.token);
        let (cell, parts) = (&service.state, || holds(world.part()));
        assert!(cell.request_stop());
        assert!(cell.rearm());
        let again = now(service.restart_seeing(world.token.clone(), |_| async {
            Ok([
                cell.serve(parts()),
                cell.serve(parts()),
                cell.track(parts()),
            ])
        }));
        let [polled, unpolled, client] = again.expect("starts");
        let (mut polled, mut client) = (task::spawn(polled), task::spawn(client));
        assert_pending!(polled.poll());
        assert_pending!(client.poll());
        cell.abort();
        assert_eq!(now(polled), None);
        assert_eq!(now(client), None);
        assert_eq!(cell.state(), Lifecycle::Failed);
        drop(unpolled);
    }),
    ("its clients come and go", |world| {
        let service = world.running(&world.token);
        let mut first = task::spawn(service.state.track(holds(world.part())));
        assert_pending!(first.poll());
        for _ in 0..3 {
            let part = world.part();
            assert_eq!(
                now(service.state.track(async move { drop(part) })),
                Some(())
            );
        }
        drop(first);
        assert!(service.state.request_stop());
        assert_eq!(service.state.state(), Lifecycle::Stopped);
        assert_eq!(now(service.state.track(holds(world.part()))), None);
    }),
    ("served by a guard, and by a local future", |world| {
        let cell: StateCell = StateCell::new();
        let attempt = cell.begin(&world.token).expect("it begins");
        let guard = cell.serve_guard();
        let mut published = task::spawn(guard.published());
        assert_pending!(published.poll());
        let mut local = task::spawn(cell.serve_local(holds(world.part())));
        assert_pending!(local.poll());
        drop(attempt);
        assert_eq!(now(local), None);
        drop(guard);
        assert_eq!(cell.state(), Lifecycle::Failed);
    }),
    ("begun, and dropped by another", |world| {
        let cell: StateCell = StateCell::new();
        let attempt = cell.begin(&world.token).expect("it begins");
        let (part, publisher) = (world.part(), cell.publisher());
        let mut run = task::spawn(attempt.run(async move |_, _| {
            pending::<()>().await;
            drop(part);
            Ok::<_, StartError>(())
        }));
        assert_pending!(run.poll());
        assert!(publisher.publish());
        let mut stop = task::spawn(cell.stop());
        assert_pending!(stop.poll());
        drop(run);
        assert!(now(stop).is_err());
    }),
    ("never begun, its token cancelled", |world| {
        let cell: StateCell = StateCell::new();
        assert!(cell.begin(&world.cancelled).is_err());
        assert!(cell.begin_again(&world.cancelled).is_err());
    }),
];

/// Holds `part` for ever.
async fn holds(part: Arc<()>) {
    pending::<()>().await;
    drop(part);
}

/// Runs until it is cancelled.
#[cancel_guarded(run, state = cell)]
async fn runs(
    cell: &StateCell,
    shutdown: CancellationToken,
    part: Arc<()>,
) -> Result<(), StartError> {
    cell.store(Lifecycle::Running);
    shutdown.cancelled().await;
    drop(part);
    Ok(())
}

/// Returns what `services` running services leave after their common token is cancelled.
fn left_with_a_cancelled_parent(services: usize) -> Left {
    let world = World::new();
    let region = Region::new(GLOBAL);
    let running: Vec<_> = (0..services).map(|_| world.running(&world.token)).collect();
    world.token.cancel();
    for service in &running {
        assert_eq!(service.state.state(), Lifecycle::Stopped);
    }
    drop(running);
    Left::since(&region, &world)
}

#[test]
fn every_end_releases_everything() {
    for (name, life) in LIVES {
        let world = World::new();
        // Some lists grow once and stay, like the token's list of children.
        life(&world);
        let region = Region::new(GLOBAL);
        for _ in 0..ROUNDS {
            life(&world);
        }
        let left = Left::since(&region, &world);
        assert!(left.is_nothing(), "{name}: {left:?}");
        // A cancelled token holds no waiters.
        world.token.cancel();
        let left = Left::since(&region, &world);
        assert!(left.is_nothing(), "{name}, and cancelled: {left:?}");
    }
    let left = left_with_a_cancelled_parent(ROUNDS);
    assert!(left.is_nothing(), "a cancelled parent: {left:?}");
}
