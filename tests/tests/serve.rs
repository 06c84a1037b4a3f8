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
    FAILED, Flag, Log, PanicsOnDrop, Remnant, Service, TestError, now, on_wake, panic_message,
    pending_with, running_service,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

fn state(cell: &StateCell) -> Lifecycle {
    cell.state()
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
        let stages = ["waiting for publication", "serving", "gone"];
        stages.map(|stage| shown.contains(stage))
    };
    let served = now(service.start(CancellationToken::new(), async {
        let served = service.state.serve(pending::<()>());
        assert_eq!(stage(&served), [true, false, false]);
        Ok(served)
    }))
    .expect("starts");
    let served = pending_with(Waker::noop(), served);
    assert_eq!(stage(&served), [false, true, false]);
    let late = StateCell::<Lifecycle>::new().serve(pending::<()>());
    assert_eq!(stage(&late), [false, false, true]);
}

#[test]
fn with_no_attempt_it_is_dropped_unpolled() {
    for cell in [StateCell::new(), {
        let (service, _token) = running_service();
        service
            .state
            .transition(Lifecycle::Running, Lifecycle::Stopped)
            .expect("the service's");
        service.state
    }] {
        let before = cell.state();
        let seen = Log::default();
        let remnant = Remnant::of(&cell, &seen);
        let served = cell.serve(async move {
            let _remnant = remnant;
            panic!("polled");
        });
        assert_eq!(seen.all(), [before], "dropped at the call");
        assert!(now(served).is_none());
        assert_eq!(cell.state(), before, "and nothing happened");
    }
}

#[test]
fn the_end_of_the_last_stops_the_service() {
    let (service, child, send, mut first) = serving();
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
    let (service, _token) = running_service();
    let mut served = task::spawn(service.state.serve(async { panic!("accept") }));
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
        let (service, _token) = running_service();
        let seen = Log::default();
        let future = Ready {
            _part: Remnant::of(&service.state, &seen),
        };
        end(service.state.serve(future));
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
    assert_eq!(assert_ready!(start.poll()), Err(FAILED));
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
    assert_eq!(refused, Err(FAILED), "the served future is lost");
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
    service
        .state
        .transition(Lifecycle::Stopping, Lifecycle::Stopped)
        .expect_err("a recorded failure stays");
    send.send(Ok(())).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(state(&service.state), Lifecycle::Failed);
    assert_eq!(
        service.state.failure().expect("a cause").to_string(),
        "disk full"
    );
}

#[test]
fn the_end_of_an_earlier_future_changes_nothing() {
    let (service, _child, send, mut served) = serving();
    assert_pending!(served.poll());
    let cell = &service.state;
    cell.transition(Lifecycle::Running, Lifecycle::Stopped)
        .expect("the service knows");
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("a second attempt");
    send.send(Err(TestError::Own("late"))).expect("it listens");
    assert_ready!(served.poll());
    assert_eq!(cell.state(), Lifecycle::Running, "the second attempt's");
    assert_eq!(cell.failure(), None);
    assert_eq!(now(cell.serve(async {})), Some(()));
    assert_eq!(
        cell.state(),
        Lifecycle::Stopped,
        "its only future has ended"
    );
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

#[test]
fn it_may_join_while_the_service_drains() {
    let (service, child, send, mut served) = serving();
    child.cancel();
    let mut late = task::spawn(service.state.serve(async {}));
    assert_eq!(assert_ready!(late.poll()), Some(()), "polled");
    assert_eq!(state(&service.state), Lifecycle::Stopping);
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

/// A served future of an earlier attempt that was not polled yet is not dropped by the refusal of a
/// later attempt, and is not counted as a part of it.
#[test]
fn a_refusal_drops_only_its_own_futures() {
    let (service, token) = (Service::new(), CancellationToken::new());
    now(service.restart(token.clone(), async { Ok(()) })).expect("starts");
    let polled = Flag::default();
    let earlier = service.state.serve({
        let polled = polled.clone();
        async move { polled.set() }
    });
    let stopped = service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopped);
    stopped.expect("it runs");

    let (dropping, is_dropping) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let part = HeldUp {
        is_dropping: dropping,
        may_go,
    };
    let tasks = RefCell::new(None);
    let mut start = task::spawn(service.restart::<()>(token, async {
        let served = async move { drop(part) };
        *tasks.borrow_mut() = Some(service.state.serve(served));
        pending().await
    }));
    assert_pending!(start.poll());
    let later = tasks.borrow_mut().take().expect("served");
    thread::scope(|scope| {
        // The sender moves in here: if an assertion fails, it is dropped, and the other thread goes
        // on.
        let go = go;
        scope.spawn(move || drop(later));
        is_dropping.recv().expect("it is dropped");
        assert_pending!(start.poll(), "a part of the attempt is left");
        assert_eq!(state(&service.state), Lifecycle::Starting);
        go.send(()).expect("it waits");
    });
    assert_eq!(assert_ready!(start.poll()), Err(FAILED));
    assert_eq!(state(&service.state), Lifecycle::Failed);
    assert!(!polled.is_set());
    assert_eq!(now(earlier), Some(()));
    assert!(polled.is_set());
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

    let (service, _token) = running_service();
    let served = service.state.serve(Panics { _throws: Throws });
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
    let started = || assert!(now(start(&cell, CancellationToken::new(), set_up)).is_ok());
    assert_eq!(panic_message(started), Some("the first".into()));
    assert_eq!(state(&cell), Lifecycle::Failed);

    let (service, _token) = running_service();
    let served = service.state.serve(Box::pin(Ends { _part: First }));
    let said = panic_message(|| assert!(now(served).is_none()));
    assert_eq!(said, Some("the first".into()));
    assert_eq!(state(&service.state), Lifecycle::Stopped);
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
    assert_eq!(refused, Err(FAILED));
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
    service.state.stopped().await;
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
    assert_eq!(start.poll(), Poll::Ready(Err(FAILED)));
    assert_eq!(state(&service.state), Lifecycle::Failed);
}
