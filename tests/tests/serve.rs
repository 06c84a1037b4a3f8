//! Served futures: when they run, how they end, and what their end does to the service.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, Served, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Flag, Log, PanicsOnDrop, Remnant, Service, TestError, not_startable, now, on_wake,
    panic_message, pending_with, running_service,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

fn state(cell: &StateCell) -> Lifecycle {
    cell.state()
}

/// The error of a start that was refused by the failure that `cell` has.
fn failure_of(cell: &StateCell) -> TestError {
    let failure = cell.failure().expect("a cause");
    TestError::Refused(StartError::Failed(failure))
}

/// Starts `service`, and returns what `serve` made of its cell in the body.
fn started<T>(service: &Service, serve: impl FnOnce(&StateCell) -> T) -> T {
    let body = async { Ok(serve(&service.state)) };
    now(service.start(CancellationToken::new(), body)).expect("starts")
}

/// Ends a served future with this result.
type End = oneshot::Sender<Result<(), TestError>>;
type Serving = task::Spawn<Pin<Box<dyn Future<Output = Option<Result<(), TestError>>>>>>;

/// Starts a service with one served future. Returns the service, the token of the body, the sender
/// that ends the future, and the future.
fn serving() -> (Service, CancellationToken, End, Serving) {
    let service = Service::new();
    let (send, receive) = oneshot::channel();
    let (child, served) = now(
        service.start_seeing(CancellationToken::new(), |shutdown| async {
            let served = service
                .state
                .serve(async { receive.await.map_err(|_| TestError::Own("closed"))? });
            Ok((shutdown, served))
        }),
    )
    .expect("starts");
    (service, child, send, task::spawn(Box::pin(served)))
}

#[test]
fn it_is_polled_only_after_publication() {
    let service = Service::new();
    let polled = Flag::default();
    let (send, receive) = oneshot::channel::<()>();
    let tasks = RefCell::new(None);
    let mut start = task::spawn(service.start(CancellationToken::new(), async {
        let polled = polled.clone();
        let served = service.state.serve(async move { polled.set() });
        *tasks.borrow_mut() = Some(task::spawn(served));
        receive.await.map_err(|_| TestError::Own("closed"))
    }));
    assert_pending!(start.poll());
    let mut served = tasks.borrow_mut().take().expect("served");
    assert_pending!(served.poll());
    assert!(!polled.is_set(), "not before publication");

    send.send(()).expect("the body listens");
    assert_eq!(assert_ready!(start.poll()), Ok(()));
    assert!(served.is_woken(), "publication wakes it");
    assert_eq!(assert_ready!(served.poll()), Some(()));
    assert!(polled.is_set());
    assert_eq!(state(&service.state), Lifecycle::Stopped, "it was the last");
}

#[test]
fn debug_shows_the_stage() {
    let service = Service::new();
    let stage = |served: &Served<_, _>| {
        let shown = format!("{served:?}");
        let stages = ["waiting for publication", "running", "done"];
        stages.map(|stage| shown.contains(stage))
    };
    let served = started(&service, |cell| {
        let served = cell.serve(pending::<()>());
        assert_eq!(stage(&served), [true, false, false]);
        served
    });
    let served = pending_with(Waker::noop(), served);
    assert_eq!(stage(&served), [false, true, false]);
    service.state.abort();
    let late = service.state.serve(pending::<()>());
    assert_eq!(stage(&late), [false, false, true]);
}

#[test]
fn after_the_end_it_is_dropped_unpolled() {
    let ended = [
        {
            let (service, token) = running_service();
            token.cancel();
            service.state
        },
        {
            let cell = StateCell::new();
            cell.request_stop();
            cell
        },
        {
            let cell = StateCell::new();
            cell.transition(Lifecycle::Created, Lifecycle::Stopping)
                .expect("nothing has begun");
            cell
        },
        {
            let cell = StateCell::new();
            cell.fail("never began");
            cell
        },
    ];
    for cell in ended {
        let before = cell.state();
        let seen = Log::default();
        let (served, tracked) = (Remnant::of(&cell, &seen), Remnant::of(&cell, &seen));
        let served = cell.serve(async move {
            let _remnant = served;
            panic!("polled");
        });
        let tracked = cell.track(async move {
            let _remnant = tracked;
            panic!("polled");
        });
        assert_eq!(seen.all(), [before; 2], "dropped at the call");
        assert!(now(served).is_none());
        assert!(now(tracked).is_none());
        assert_eq!(cell.state(), before, "and nothing happened");
    }
}

/// Forgets `state = self.state`, so that no attempt of this cell is under way.
struct Forgets {
    state: StateCell,
}

impl Forgets {
    #[cancel_guarded]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        self.serve_nothing();
        Ok(())
    }

    /// The attribute does not look into this.
    fn serve_nothing(&self) {
        drop(self.state.serve(async {}));
    }

    /// Names the cell of another service.
    #[cancel_guarded(state = other)]
    async fn start_other(
        &self,
        shutdown: CancellationToken,
        other: &StateCell,
    ) -> Result<(), StartError> {
        drop(self.state.serve(async {}));
        Ok(())
    }
}

/// A future that is served on a cell that nothing starts never runs. That is a mistake, so debug builds
/// panic at the call.
#[test]
#[cfg(debug_assertions)]
fn serving_without_the_state_of_the_service_panics() {
    let service = Forgets {
        state: StateCell::new(),
    };
    let other = StateCell::new();
    let starts: [&dyn Fn() -> Result<(), StartError>; 2] =
        [&|| now(service.start(CancellationToken::new())), &|| {
            now(service.start_other(CancellationToken::new(), &other))
        }];
    for start in starts {
        let message = panic_message(|| drop(start())).expect("it panics");
        assert!(message.contains("guarded with `state = ..`"), "{message}");
        assert_eq!(service.state.state(), Lifecycle::Created);
    }
    assert_eq!(other.state(), Lifecycle::Failed, "its body panicked");
}

/// A client may come too late for a service that is told to end, so that is no mistake.
#[test]
fn after_the_start_is_told_to_end_it_is_dropped_unpolled() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(service.start(token.clone(), async {
        token.cancel();
        let seen = Log::default();
        let remnant = Remnant::of(&service.state, &seen);
        let served = service.state.serve(async move { drop(remnant) });
        assert_eq!(seen.all(), [Lifecycle::Starting], "at the call");
        assert_eq!(now(served), None);
        assert_eq!(now(service.state.track(async {})), None);
        Ok(())
    }));
    assert_eq!(refused, Err(CANCELLED));
}

#[test]
fn the_end_of_the_last_stops_the_service() {
    let (service, child, send, mut first) = serving();
    // A part may join a running service.
    let mut second = task::spawn(service.state.serve(async {}));
    assert_pending!(first.poll());
    assert_eq!(assert_ready!(second.poll()), Some(()));
    assert_eq!(state(&service.state), Lifecycle::Running, "one is left");
    send.send(Ok(())).expect("it listens");
    assert_eq!(assert_ready!(first.poll()), Some(Ok(())));
    assert_eq!(state(&service.state), Lifecycle::Stopped);
    assert!(
        child.is_cancelled(),
        "the end of the attempt cancels its token"
    );
    assert_eq!(service.state.failure(), None);
}

#[test]
fn the_first_error_fails_the_service() {
    let (service, child, send, mut first) = serving();
    let mut second = task::spawn(service.state.serve({
        let child = child.clone();
        async move {
            child.cancelled().await;
            Err::<(), _>(TestError::Own("second"))
        }
    }));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    send.send(Err(TestError::Own("first"))).expect("it listens");
    assert_eq!(
        assert_ready!(first.poll()),
        Some(Err(TestError::Own("first")))
    );
    assert_eq!(state(&service.state), Lifecycle::Stopping);
    assert!(child.is_cancelled(), "the other future is told");
    assert!(second.is_woken());
    assert_eq!(
        assert_ready!(second.poll()),
        Some(Err(TestError::Own("second")))
    );
    assert_eq!(state(&service.state), Lifecycle::Failed, "the last is gone");
    let failure = service.state.failure().expect("a cause");
    assert_eq!(
        (failure.kind(), failure.to_string().as_str()),
        (FailureKind::Error, "first")
    );
}

#[test]
fn a_panic_fails_the_service() {
    let service = Service::new();
    let served = started(&service, |cell| cell.serve(async { panic!("accept") }));
    let mut served = task::spawn(served);
    let message = panic_message(|| {
        let _ = served.poll();
    });
    assert_eq!(message.as_deref(), Some("accept"));
    assert_eq!(state(&service.state), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Panicked);
}

#[test]
fn a_drop_fails_the_service() {
    let (service, child, _send, mut served) = serving();
    assert_pending!(served.poll());
    drop(served);
    assert_eq!(state(&service.state), Lifecycle::Failed);
    assert!(child.is_cancelled());
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

/// A future that is ready at its first poll.
struct Ready {
    _part: Remnant,
}

impl Future for Ready {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

#[test]
fn it_is_dropped_before_the_end_is_readable() {
    let end: fn(Served<_, _>) = |served| assert_eq!(now(served), Some(()));
    for (end, before, after) in [
        (end, Lifecycle::Running, Lifecycle::Stopped),
        (drop, Lifecycle::Stopping, Lifecycle::Failed),
    ] {
        let (service, seen) = (Service::new(), Log::default());
        let future = Ready {
            _part: Remnant::of(&service.state, &seen),
        };
        end(started(&service, |cell| cell.serve(future)));
        assert_eq!(seen.all(), [before]);
        assert_eq!(state(&service.state), after);
    }
}

#[test]
fn a_drop_before_publication_refuses_the_start() {
    let service = Service::new();
    let tasks = RefCell::new(None);
    let seen = Log::default();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), async {
        let remnant = Remnant::of(&service.state, &seen);
        *tasks.borrow_mut() = Some(service.state.serve(async move {
            let _remnant = remnant;
        }));
        pending().await
    }));
    assert_pending!(start.poll());
    drop(tasks.borrow_mut().take());
    assert!(start.is_woken(), "told at once");
    assert_eq!(assert_ready!(start.poll()), Err(failure_of(&service.state)));
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
    assert_eq!(state(&service.state), Lifecycle::Failed);
}

#[test]
fn a_lost_future_prevents_publication() {
    let service = Service::new();
    let refused = now(service.start(CancellationToken::new(), async {
        drop(service.state.serve(async {}));
        Ok(())
    }));
    assert_eq!(
        refused,
        Err(failure_of(&service.state)),
        "the served future is lost"
    );
    assert_eq!(state(&service.state), Lifecycle::Failed);
}

#[test]
fn a_cancelled_service_drains_then_stops() {
    let (service, child, send, mut served) = serving();
    assert_pending!(served.poll());
    child.cancel();
    assert_eq!(state(&service.state), Lifecycle::Stopping);
    assert_pending!(served.poll(), "a served future is not interrupted");
    send.send(Ok(())).expect("it listens");
    assert_eq!(assert_ready!(served.poll()), Some(Ok(())));
    assert_eq!(state(&service.state), Lifecycle::Stopped);
}

#[test]
fn an_error_while_draining_fails_the_service() {
    let (service, child, send, mut served) = serving();
    assert_pending!(served.poll());
    child.cancel();
    send.send(Err(TestError::Own("drain"))).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(state(&service.state), Lifecycle::Failed);
    assert_eq!(
        service.state.failure().expect("a cause").to_string(),
        "drain"
    );
}

#[test]
fn fail_waits_for_served_futures() {
    let (service, child, send, mut served) = serving();
    assert_pending!(served.poll());
    assert!(service.state.fail("disk full"));
    assert_eq!(state(&service.state), Lifecycle::Stopping);
    assert!(child.is_cancelled());
    send.send(Ok(())).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(state(&service.state), Lifecycle::Failed);
    assert_eq!(
        service.state.failure().expect("a cause").to_string(),
        "disk full"
    );
}

/// A served future ends its attempt, so it cannot outlive it: neither by a cancel, nor by a stop.
#[test]
fn its_attempt_waits_for_it() {
    let (service, child, send, mut served) = serving();
    assert_pending!(served.poll());
    child.cancel();
    let cell = &service.state;
    cell.transition(Lifecycle::Stopping, Lifecycle::Stopped)
        .expect_err("only the end of the last part stops");
    let again = now(service.restart(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(again, Err(not_startable("Stopping")));
    send.send(Ok(())).expect("it listens");
    assert_ready!(served.poll());
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("a second attempt");
    drop(served);
    assert_eq!(cell.state(), Lifecycle::Running, "the second attempt's");
}

/// The clean-up that a served future does at its end is not skipped, because a service that was up
/// is drained.
#[test]
fn it_runs_although_it_is_cancelled_before_its_first_poll() {
    let (service, child, _send, _served) = serving();
    let cleaned_up = Flag::default();
    let cleans_up = service.state.serve({
        let (child, cleaned_up) = (child.clone(), cleaned_up.clone());
        async move {
            child.cancelled().await;
            cleaned_up.set();
        }
    });
    child.cancel();
    assert_eq!(state(&service.state), Lifecycle::Stopping);
    assert_eq!(now(cleans_up), Some(()));
    assert!(cleaned_up.is_set());
}

/// A refused start never runs it, so a clean-up that must happen belongs in the drop of a value that
/// it owns.
#[test]
fn a_refused_start_drops_what_it_owns() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let seen = Log::default();
    let mut start = task::spawn(service.start::<()>(token.clone(), async {
        let registered = Remnant::of(&service.state, &seen);
        let served = service.state.serve(async move {
            drop(registered);
            unreachable!("it never runs");
        });
        let _task = task::spawn(served);
        pending().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(seen.all(), [Lifecycle::Starting]);
}

/// Its wait for `STOPPING` does not miss it, because `STOPPED` waits for the future.
#[test]
fn it_may_wait_for_stopping() {
    let service = Service::new();
    let served = started(&service, |cell| {
        let stopping = cell.wait_for(|state| state == Lifecycle::Stopping);
        cell.serve(async move {
            stopping.await;
        })
    });
    let mut served = task::spawn(served);
    service.state.request_stop();
    assert_eq!(assert_ready!(served.poll()), Some(()));
    assert_eq!(state(&service.state), Lifecycle::Stopped);
}

/// A flag that is checked and then waited for on a `Notify` can miss its one notification. A token
/// cannot.
#[test]
fn its_token_may_be_cancelled_before_it_waits() {
    let service = Service::new();
    let (served, child) = now(
        service.start_seeing(CancellationToken::new(), |shutdown| async {
            let child = shutdown.clone();
            let served = service.state.serve(async move {
                while !shutdown.is_cancelled() {
                    tokio::task::yield_now().await;
                    shutdown.cancelled().await;
                }
            });
            Ok((served, child))
        }),
    )
    .expect("starts");
    let mut served = task::spawn(served);
    assert_pending!(served.poll());
    child.cancel();
    assert_eq!(assert_ready!(served.poll()), Some(()));
}

/// It is a part until it has ended. If no task polls or drops it, only an abort ends it.
#[test]
fn one_that_is_leaked_unpolled_is_dropped_by_an_abort() {
    let service = Service::new();
    started(&service, |cell| {
        std::mem::forget(cell.serve(pending::<()>()));
    });
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll());
    service.state.abort();
    assert!(stop.is_woken());
    let failure = assert_ready!(stop.poll()).expect_err("by force");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

#[test]
fn a_panic_in_its_drop_does_not_keep_the_start() {
    let service = Service::new();
    let tasks = RefCell::new(None);
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), async {
        let remnant = PanicsOnDrop;
        *tasks.borrow_mut() = Some(service.state.serve(async move {
            let _remnant = remnant;
        }));
        pending().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    let message = panic_message(|| {
        let _ = start.poll();
    });
    assert_eq!(message.as_deref(), Some("dropped"));
    assert_eq!(state(&service.state), Lifecycle::Failed);
}

/// Nothing new serves a service that is about to end. A client may still come.
#[test]
fn none_may_join_while_the_service_drains() {
    let (service, child, send, mut served) = serving();
    child.cancel();
    assert_eq!(now(service.state.serve(async {})), None);
    assert_eq!(now(service.state.serve_local(async {})), None);
    assert!(service.state.serve_guard().token().is_cancelled());
    assert_eq!(now(service.state.track(async {})), Some(()));
    send.send(Ok(())).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(state(&service.state), Lifecycle::Stopped);
}

#[test]
fn none_may_join_a_failing_service() {
    let (service, _child, _send, mut served) = serving();
    assert_pending!(served.poll());
    service.state.fail("disk full");
    let polled = Flag::default();
    let late = service.state.serve({
        let polled = polled.clone();
        async move { polled.set() }
    });
    assert_eq!(now(late), None);
    assert!(!polled.is_set(), "dropped unpolled");
}

/// A guard belongs to the attempt in which it was made, and changes nothing for the next one.
#[test]
fn a_guard_of_a_refused_start_does_not_end_the_next() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let slot = RefCell::new(None);
    let mut start = task::spawn(service.restart::<()>(token.clone(), async {
        *slot.borrow_mut() = Some(service.state.serve_guard());
        pending().await
    }));
    assert_pending!(start.poll());
    let stale = slot.borrow_mut().take().expect("it was made");
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(state(&service.state), Lifecycle::Starting, "a part is left");
    let early = now(service.restart(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(early, Err(not_startable("Starting")));
    drop(stale);
    assert_eq!(state(&service.state), Lifecycle::Failed);

    let body = async { Ok(service.state.serve_guard()) };
    let guard = now(service.restart(CancellationToken::new(), body)).expect("starts");
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll(), "the guard of this attempt is left");
    drop(guard);
    assert_eq!(assert_ready!(stop.poll()), Ok(()));
}

/// A thread learns from its guard whether to serve, and when to end.
#[test]
fn a_guard_serves_on_a_thread() {
    let service = Service::new();
    let (report, reports) = mpsc::channel();
    let worker = started(&service, |cell| {
        let guard = cell.serve_guard();
        thread::spawn(move || {
            futures::executor::block_on(async {
                guard.published().await.expect("it is published");
                report.send("serves").expect("the test listens");
                guard.token().cancelled().await;
                report.send("drains").expect("the test listens");
            });
        })
    });
    assert_eq!(reports.recv(), Ok("serves"));
    futures::executor::block_on(service.state.stop()).expect("stops");
    assert_eq!(reports.try_recv(), Ok("drains"), "before the stop returned");
    assert_eq!(state(&service.state), Lifecycle::Stopped);
    worker.join().expect("no panic");
}

/// One client among many fails by itself.
#[test]
fn a_client_of_a_running_service_fails_nothing() {
    let (service, child, send, mut served) = serving();
    assert_pending!(served.poll());
    let reset = service.state.track(async { Err::<(), _>("reset by peer") });
    assert_eq!(now(reset), Some(Err("reset by peer")));
    let panics = service.state.track(async { panic!("bad request") });
    let message = panic_message(|| {
        let _ = now(panics);
    });
    assert_eq!(message.as_deref(), Some("bad request"), "to its handle");
    drop(service.state.track(pending::<()>()));
    assert_eq!(state(&service.state), Lifecycle::Running);
    assert!(!child.is_cancelled());
    assert_eq!(service.state.failure(), None);
    send.send(Ok(())).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(state(&service.state), Lifecycle::Stopped);
}

/// A waiter that `fail` wakes drops the last served future. It reads `FAILED` only after the token
/// is cancelled.
#[test]
fn the_token_is_cancelled_before_failed() {
    let service = Service::new();
    let (child, served) = now(
        service.start_seeing(CancellationToken::new(), |shutdown| async {
            Ok((shutdown, service.state.serve(pending::<()>())))
        }),
    )
    .expect("starts");
    let (last, seen) = (Mutex::new(Some(served)), Log::default());
    let waker = on_wake({
        let (seen, cell) = (seen.clone(), service.state.clone());
        move || {
            drop(last.lock().expect("not poisoned").take());
            seen.push((cell.state(), child.is_cancelled()));
        }
    });
    let _stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    service.state.fail("disk full");
    assert_eq!(seen.all(), [(Lifecycle::Failed, true)]);
}

/// The attempt's token is cancelled before the waiters for `STOPPING` wake.
#[test]
fn the_token_is_cancelled_before_waiters_wake() {
    let ways: [fn(&Service, Serving); 3] = [
        |service, _served| assert!(service.state.fail("disk full")),
        |service, _served| assert!(service.state.request_stop()),
        |_service, served| drop(served),
    ];
    for stop in ways {
        let (service, child, _end, served) = serving();
        let seen = Log::default();
        let waker = on_wake({
            let seen = seen.clone();
            move || seen.push(child.is_cancelled())
        });
        let _stopping = pending_with(
            &waker,
            service.state.wait_for(|state| state == Lifecycle::Stopping),
        );
        stop(&service, served);
        assert_eq!(seen.all(), [true]);
    }
}

/// Reports the start of its drop, and waits there for a message.
struct HeldUp {
    is_dropping: mpsc::Sender<()>,
    may_go: mpsc::Receiver<()>,
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.is_dropping.send(()).expect("the test listens");
        // The sender is gone if the test has failed.
        let _ = self.may_go.recv();
    }
}

/// Another thread is dropping a served future. The refused start waits for that.
#[test]
fn a_refusal_waits_for_a_drop_on_another_thread() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let (dropping, is_dropping) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let part = HeldUp {
        is_dropping: dropping,
        may_go,
    };
    let tasks = RefCell::new(None);
    let mut start = task::spawn(service.start::<()>(token, async {
        let served = async move { drop(part) };
        *tasks.borrow_mut() = Some(service.state.serve(served));
        pending().await
    }));
    assert_pending!(start.poll());
    let served = tasks.borrow_mut().take().expect("served");
    thread::scope(|scope| {
        // The sender moves in here: if an assertion fails, it is dropped, and the other thread goes
        // on.
        let go = go;
        scope.spawn(move || drop(served));
        is_dropping.recv().expect("it is dropped");
        service.state.request_stop();
        assert_pending!(start.poll(), "a part of the attempt is left");
        assert_eq!(state(&service.state), Lifecycle::Starting);
        go.send(()).expect("it waits");
    });
    assert!(start.is_woken());
    assert!(assert_ready!(start.poll()).is_err());
    assert_eq!(state(&service.state), Lifecycle::Failed);
}

/// Panics when it is dropped. The payload panics in its drop, too.
struct Throws;

impl Drop for Throws {
    fn drop(&mut self) {
        panic_any(PanicsOnDrop);
    }
}

/// A value that panics in its drop while a panic unwinds does not abort the process.
#[test]
fn a_second_panic_does_not_abort() {
    struct Panics {
        _throws: Throws,
    }

    impl Future for Panics {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("serving")
        }
    }

    let service = Service::new();
    let token = CancellationToken::new();
    let tasks = RefCell::new(None);
    let start = service.start::<()>(token.clone(), async {
        let throws = Throws;
        let served = async move { drop(throws) };
        *tasks.borrow_mut() = Some(service.state.serve(served));
        panic!("the body")
    });
    let said = panic_message(|| now(start).expect("it panics"));
    assert_eq!(said, Some("the body".into()));
    assert_eq!(state(&service.state), Lifecycle::Failed);

    let service = Service::new();
    let served = started(&service, |cell| cell.serve(Panics { _throws: Throws }));
    let said = panic_message(|| now(served).expect("it panics"));
    assert_eq!(said, Some("serving".into()));
    assert_eq!(state(&service.state), Lifecycle::Failed);

    let service = Service::new();
    let dropped = || {
        let throws = Throws;
        let body = async move {
            pending::<()>().await;
            drop(throws);
            Ok(())
        };
        let mut start = task::spawn(service.start(token, body));
        assert_pending!(start.poll());
        panic!("beside it")
    };
    assert_eq!(panic_message(dropped), Some("beside it".into()));
    assert_eq!(state(&service.state), Lifecycle::Failed);
}

/// A refused value that panics in its drop does not replace the panic of the body.
#[test]
fn a_value_that_panics_in_drop_does_not_abort() {
    struct First;

    impl Drop for First {
        fn drop(&mut self) {
            panic!("the first");
        }
    }

    struct Bad(PanicsOnDrop);

    impl From<StartError> for Bad {
        fn from(_: StartError) -> Self {
            Self(PanicsOnDrop)
        }
    }

    impl fmt::Display for Bad {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "bad: {:?}", self.0)
        }
    }

    #[cancel_guarded(state = cell)]
    async fn start(
        cell: &StateCell,
        shutdown: CancellationToken,
        serves: impl FnOnce(),
    ) -> Result<(), Bad> {
        serves();
        Err(Bad(PanicsOnDrop))
    }

    struct Ends {
        _part: First,
    }

    impl Future for Ends {
        type Output = Result<PanicsOnDrop, TestError>;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Ok(PanicsOnDrop))
        }
    }

    let (cell, tasks) = (StateCell::new(), RefCell::new(None));
    let set_up = || {
        let part = First;
        *tasks.borrow_mut() = Some(cell.serve(async move { drop(part) }));
    };
    let fails = || assert!(now(start(&cell, CancellationToken::new(), set_up)).is_ok());
    assert_eq!(panic_message(fails), Some("the first".into()));
    assert_eq!(state(&cell), Lifecycle::Failed);

    let service = Service::new();
    let ends = Box::pin(Ends { _part: First });
    let served = started(&service, |cell| cell.serve(ends));
    let said = panic_message(|| assert!(now(served).is_none()));
    assert_eq!(said, Some("the first".into()));
    assert_eq!(state(&service.state), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Panicked, "in its drop");
}

/// The loss of a served future is recorded although the drop of its waker panics.
#[test]
fn a_waker_that_panics_in_drop_hides_no_loss() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a bad waker");
        }
    }

    let service = Service::new();
    let refused = now(service.start(CancellationToken::new(), async {
        let bad = Waker::from(Arc::new(Bad));
        let served = pending_with(&bad, service.state.serve(async {}));
        std::mem::forget(bad);
        drop(served);
        Ok(())
    }));
    assert_eq!(refused, Err(failure_of(&service.state)));
}

#[tokio::test]
async fn it_can_be_spawned_on_tokio() {
    let service = Service::new();
    let token = CancellationToken::new();
    let handle = service
        .start_seeing(token.clone(), |shutdown| async {
            Ok(tokio::spawn(service.state.serve(async move {
                shutdown.cancelled().await;
                Ok::<_, TestError>("drained")
            })))
        })
        .await
        .expect("starts");
    service.state.running().await.expect("running");
    token.cancel();
    assert_eq!(service.state.stopped().await, Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert_eq!(handle.await.expect("no panic"), Some(Ok("drained")));
}

/// The waker of a served future is dropped with it, and its drop may panic.
#[test]
fn a_waker_that_panics_in_drop_keeps_no_attempt() {
    struct Bomb;

    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(thread::panicking(), "dropped");
        }
    }

    let service = Service::new();
    let slot = Mutex::new(None);
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), async {
        *slot.lock().expect("not poisoned") = Some(service.state.serve(pending::<()>()));
        pending().await
    }));
    assert_pending!(start.poll());
    let served = slot.lock().expect("not poisoned").take().expect("served");
    let waker = Waker::from(Arc::new(Bomb));
    let served = pending_with(&waker, served);
    // The cell holds the only other clone.
    panic_message(|| drop(waker));
    drop(served);
    assert_eq!(start.poll(), Poll::Ready(Err(failure_of(&service.state))));
    assert_eq!(state(&service.state), Lifecycle::Failed);
}
