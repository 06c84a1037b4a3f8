//! Mistakes that a guard of this kind can make, one test each. The letters are those of the list in
//! `ARCHITECTURE.md`.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, ServeGuard, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Gate, Log, PanicsOnDrop, Remnant, Service, TestError, not_startable, now, on_wake,
    panic_message, pending_with,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

/// Starts a service that serves until the returned guard is dropped.
fn serving() -> (Service, CancellationToken, ServeGuard<Lifecycle>) {
    let (service, token) = (Service::new(), CancellationToken::new());
    let guard = now(service.start(token.clone(), async { Ok(service.state.serve_guard()) }));
    (service, token, guard.expect("starts"))
}

/// a: the hook does nothing until its own start has won the cell.
#[test]
fn a_cancel_of_a_loser_changes_nothing() {
    for round in 0..2000 {
        let service = Service::new();
        let losing = CancellationToken::new();
        let gate = Gate::for_threads(3);
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| {
                gate.pass();
                now(service.start(CancellationToken::new(), async { Ok(()) }))
            });
            let second = scope.spawn(|| {
                gate.pass();
                now(service.start(losing.clone(), async { Ok(()) }))
            });
            gate.pass();
            losing.cancel();
            (first.join(), second.join())
        });
        let first = first.expect("no panic");
        let second = second.expect("no panic");
        match first {
            Ok(()) => assert!(second.is_err(), "round {round}: one attempt, {second:?}"),
            Err(TestError::Refused(StartError::NotStartable { .. })) => {}
            Err(error) => panic!("round {round}: {error} although the first was not cancelled"),
        }
    }
}

type SpawnedStart = Pin<Box<dyn Future<Output = Result<(), TestError>> + Send>>;

/// b: a wake arrives after its attempt has ended, while the next one is under way.
#[test]
fn b_a_late_wake_changes_nothing() {
    let service = Service::new();
    let token = CancellationToken::new();
    let first: Mutex<Option<task::Spawn<SpawnedStart>>> = Mutex::default();
    let second = Mutex::new(None);

    thread::scope(|_| {
        let service = service.clone();
        let first = Arc::new(first);
        let second = Arc::new(second);
        // This waker is registered before the start, so it is woken before the hook. By then the
        // hook's waker has left the token's list, in the same batch.
        let earlier = on_wake({
            let (service, first, second) = (service.clone(), first.clone(), second.clone());
            move || {
                drop(first.lock().expect("not poisoned").take());
                assert_eq!(
                    service.state.state(),
                    Lifecycle::Failed,
                    "attempt 1 is over"
                );
                let service = service.clone();
                let mut restart = task::spawn(async move {
                    service
                        .restart::<()>(CancellationToken::new(), pending())
                        .await
                });
                assert_pending!(restart.poll());
                *second.lock().expect("not poisoned") = Some(restart);
            }
        });
        let _wait = pending_with(&earlier, token.cancelled());

        let start: SpawnedStart = Box::pin({
            let (service, token) = (service.clone(), token.clone());
            async move { service.start::<()>(token, pending()).await }
        });
        let mut start = task::spawn(start);
        assert_pending!(start.poll());
        *first.lock().expect("not poisoned") = Some(start);

        token.cancel();
        let mut restart = second
            .lock()
            .expect("not poisoned")
            .take()
            .expect("attempt 2 has begun inside cancel()");
        assert_pending!(restart.poll(), "attempt 2 was not told to end");
        assert_eq!(service.state.state(), Lifecycle::Starting);
    });
}

/// c: the hook is woken before the waiters that the body registers with its token.
#[test]
fn c_the_cell_moves_before_the_bodys_waiters_wake() {
    let service = Service::new();
    let token = CancellationToken::new();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        move || seen.push(cell.state())
    });
    let (child, _guard) = now(service.start_seeing(token.clone(), |shutdown| async {
        Ok((shutdown, service.state.serve_guard()))
    }))
    .expect("starts");
    let _wait = pending_with(&waker, child.cancelled());
    token.cancel();
    assert_eq!(seen.all(), [Lifecycle::Stopping], "the cell moved first");
}

/// c: a token that is handed out after the body has ended is hooked as well.
#[test]
fn c_a_token_made_after_the_start_moves_the_cell() {
    let service = Service::new();
    let caller = CancellationToken::new();
    let _guard = now(service.start(caller.clone(), async { Ok(service.state.serve_guard()) }));
    let own = service.state.token().expect("an attempt is under way");
    own.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert!(!caller.is_cancelled());
}

/// c: a token that is made after the attempt was told to end is cancelled already.
#[test]
fn c_a_token_made_after_the_cancel_is_cancelled() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(start.poll());
    token.cancel();
    let own = service.state.token().expect("an attempt is under way");
    assert!(own.is_cancelled());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert!(service.state.token().is_none(), "the attempt is over");
}

/// c: the cause is recorded before the body's token is cancelled.
#[test]
fn c_the_attempts_own_cancel_is_not_the_cause() {
    let service = Service::new();
    let seen = Log::default();
    let failed = now(service.start_seeing(CancellationToken::new(), |shutdown| {
        seen.push(shutdown);
        async { Err::<(), _>(TestError::Own("no")) }
    }));
    assert_eq!(failed, Err(TestError::Own("no")));
    assert!(
        seen.all()[0].is_cancelled(),
        "the body's token is cancelled"
    );
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error, "and not Cancelled");
}

/// Logs, when it is dropped, whether a token is cancelled.
struct LogsToken(CancellationToken, Log<bool>);

impl Drop for LogsToken {
    fn drop(&mut self) {
        self.1.push(self.0.is_cancelled());
    }
}

/// c: a body that ends by itself is dropped before its token is cancelled.
#[test]
fn c_the_body_goes_before_its_token_is_cancelled() {
    for is_dropped in [false, true] {
        let (service, seen, child) = (Service::new(), Log::default(), Log::default());
        let mut start = task::spawn(service.start_seeing::<(), _>(
            CancellationToken::new(),
            |shutdown| {
                child.push(shutdown.clone());
                let logs = LogsToken(shutdown, seen.clone());
                async move {
                    let _logs = logs;
                    if is_dropped {
                        pending::<()>().await;
                    }
                    Err(TestError::Own("no"))
                }
            },
        ));
        assert_eq!(start.poll().is_pending(), is_dropped);
        drop(start);
        assert_eq!(seen.all(), [false]);
        assert!(child.all()[0].is_cancelled(), "when the attempt is over");
    }
}

// d, the reference cycle of cell, wait and token, is tested in `leaks.rs`.

/// e: the hook moves the cell before it wakes a waiter.
#[test]
fn e_the_cell_moves_before_waiters_wake() {
    let (service, token, _guard) = serving();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        move || seen.push(cell.state())
    });
    let stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(seen.all(), [Lifecycle::Stopping]);
    assert_eq!(now(stopping), Lifecycle::Stopping);
}

/// e: the hook wakes waiters without holding the lock: a waker may call methods that take it.
#[test]
fn e_waiters_wake_outside_of_the_lock() {
    let (service, token, _guard) = serving();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        // Under the lock this call would deadlock.
        move || seen.push(cell.failure())
    });
    let _stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(seen.all(), [None]);
}

/// e: the payload of a panicking waker may panic in its drop.
#[test]
fn e_a_payload_that_panics_in_drop_is_caught() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(thread::panicking(), "dropped");
        }
    }

    let (service, token, _guard) = serving();
    let waker = on_wake(|| std::panic::panic_any(Bomb));
    let _stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

/// e: a panic in a waiter's waker does not leave the hook, and the other waiters are woken.
#[test]
fn e_a_panicking_waker_is_caught() {
    let (service, token, _guard) = serving();
    let panicking = on_wake(|| panic!("a bad waker"));
    let _first = pending_with(
        &panicking,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    let mut second = task::spawn(service.state.wait_for(|state| state == Lifecycle::Stopping));
    assert_pending!(second.poll());

    assert_eq!(panic_message(|| token.cancel()), None, "cancel() returns");
    assert!(second.is_woken(), "the next waiter was woken");
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

/// f: the start reads its state after every poll of the body, too.
#[test]
fn f_a_body_that_cancels_and_waits_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(service.start::<()>(token.clone(), async {
        token.cancel();
        pending().await
    }));
    assert_eq!(refused, Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// f: a cancel of the token that the body sees refuses the start at once.
#[test]
fn f_a_body_that_cancels_its_token_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(
        service.start_seeing::<(), _>(token.clone(), |shutdown| async move {
            shutdown.cancel();
            pending().await
        }),
    );
    assert_eq!(refused, Err(CANCELLED));
    assert!(!token.is_cancelled(), "it stops this service only");
}

/// g: `FAILED` is published although the drop of the body panics.
#[test]
fn g_a_body_that_panics_in_drop_ends() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), async {
        let _remnant = PanicsOnDrop;
        pending().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    let message = panic_message(|| {
        let _ = start.poll();
    });
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Panicked, "the body's own");
    assert!(failure.was_told_to_end());
}

/// g: `FAILED` is published although the drop of a dropped start panics.
#[test]
fn g_a_dropped_start_that_panics_ends() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), async {
        let _remnant = PanicsOnDrop;
        pending().await
    }));
    assert_pending!(start.poll());
    let message = panic_message(move || drop(start));
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// g: `FAILED` is published although the drop of the refused value panics.
#[test]
fn g_a_value_that_panics_in_drop_ends() {
    let service = Service::new();
    let token = CancellationToken::new();
    let message = panic_message(|| {
        let _ = now(service.start(token.clone(), async {
            token.cancel();
            Ok(PanicsOnDrop)
        }));
    });
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// g: the waker of a task is dropped when the start publishes, and its drop may panic.
#[test]
fn g_a_waker_that_panics_in_drop_does_not_leave_a_published_start() {
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
    let (go, wait) = oneshot::channel();
    let mut start = Box::pin(service.start(CancellationToken::new(), async {
        wait.await.map_err(|_| TestError::Own("closed"))
    }));
    let waker = Waker::from(Arc::new(Bomb));
    let polled = start.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    // The start and the channel hold the other clones.
    let _ = panic_message(|| drop(waker));
    let _ = panic_message(|| go.send(()).expect("the body waits"));
    let mut polled = Poll::Pending;
    let message = panic_message(|| {
        polled = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    assert_eq!(message, None, "published, so the start returns");
    assert_eq!(polled, Poll::Ready(Ok(())));
    assert!(service.state.is_running());
}

/// h: parameters that the body does not name are dropped before `FAILED`.
struct Unnamed {
    state: StateCell,
}

impl Unnamed {
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        #[expect(unused_variables, reason = "the parameter is unused on purpose")] unnamed: Remnant,
        _underscored: Remnant,
        _: Remnant,
        (_half, other): (Remnant, Remnant),
        mut changed: Option<Remnant>,
    ) -> Result<(), StartError> {
        let _ = &other;
        changed = changed.take();
        pending::<()>().await;
        drop(changed);
        Ok(())
    }
}

type Refusable<'a> = Pin<Box<dyn Future<Output = Result<(), StartError>> + 'a>>;

fn remnants_of_a_start(
    end: impl FnOnce(&CancellationToken, &mut task::Spawn<Refusable<'_>>),
) -> Vec<Lifecycle> {
    let service = Unnamed {
        state: StateCell::new(),
    };
    let token = CancellationToken::new();
    let seen = Log::default();
    let remnant = || Remnant::of(&service.state, &seen);
    let start: Refusable<'_> = Box::pin(service.start(
        token.clone(),
        remnant(),
        remnant(),
        remnant(),
        (remnant(), remnant()),
        Some(remnant()),
    ));
    let mut start = task::spawn(start);
    end(&token, &mut start);
    assert_eq!(service.state.state(), Lifecycle::Failed);
    seen.all()
}

#[test]
fn h_unnamed_parameters_drop_before_failed() {
    let seen = remnants_of_a_start(|token, start| {
        assert_pending!(start.poll());
        token.cancel();
        assert_eq!(start.poll(), Poll::Ready(Err(StartError::Cancelled)));
    });
    assert_eq!(seen, [Lifecycle::Starting; 6], "each dropped before FAILED");
}

#[test]
fn h_parameters_drop_before_a_refusal_at_entry() {
    let seen = remnants_of_a_start(|token, start| {
        token.cancel();
        assert_eq!(start.poll(), Poll::Ready(Err(StartError::Cancelled)));
    });
    assert_eq!(seen, [Lifecycle::Created; 6], "each dropped before FAILED");
}

/// h: a receiver by value is dropped before `FAILED`, although the body names one field only.
struct ByValue {
    state: StateCell,
    name: String,
    _remnant: Remnant,
}

impl ByValue {
    #[cancel_guarded(state = self.state)]
    async fn start(self, shutdown: CancellationToken) -> Result<(), StartError> {
        let _name = &self.name;
        pending::<()>().await;
        Ok(())
    }
}

#[test]
fn h_a_receiver_by_value_drops_before_failed() {
    let (state, seen) = (StateCell::new(), Log::default());
    let service = ByValue {
        state: state.clone(),
        name: String::from("whole"),
        _remnant: Remnant::of(&state, &seen),
    };
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start(token.clone()));
    assert_pending!(start.poll());
    token.cancel();
    assert!(start.poll().is_ready());
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
}

/// h: a parameter is dropped before the attempt although the start is dropped.
#[test]
fn h_parameters_drop_before_a_dropped_start_ends() {
    let service = Unnamed {
        state: StateCell::new(),
    };
    let seen = Log::default();
    let remnant = || Remnant::of(&service.state, &seen);
    let mut start = task::spawn(service.start(
        CancellationToken::new(),
        remnant(),
        remnant(),
        remnant(),
        (remnant(), remnant()),
        Some(remnant()),
    ));
    assert_pending!(start.poll());
    drop(start);
    assert_eq!(
        seen.all(),
        [Lifecycle::Starting; 6],
        "each dropped before FAILED"
    );
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// A second start while the first one ends changes neither.
#[test]
fn second_start_while_the_first_ends_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut first = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(first.poll());
    token.cancel();
    let second = now(service.restart::<()>(token.clone(), async { Ok(()) }));
    assert_eq!(second, Err(not_startable("Starting")));
    assert_eq!(assert_ready!(first.poll()), Err(CANCELLED));
}

/// Publishes, waits, and stores a step of its own.
#[cancel_guarded(run, state = cell)]
async fn stores_again(
    cell: &StateCell,
    shutdown: CancellationToken,
    go_on: oneshot::Receiver<()>,
) -> Result<(), TestError> {
    cell.store(Lifecycle::Running);
    let _ = go_on.await;
    cell.store(Lifecycle::Running);
    pending().await
}

/// A waker of somebody else that panics inside `cancel()` leaves the hook unwoken. The next store
/// finds the token cancelled, and wakes those who wait for that.
#[test]
fn a_store_that_finds_the_token_cancelled_wakes_waiters() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let foreign = on_wake(|| panic!("foreign"));
    let _foreign = pending_with(&foreign, token.cancelled());
    let (go_on, wait) = oneshot::channel();
    let mut run = task::spawn(stores_again(&cell, token.clone(), wait));
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Lifecycle::Running);
    let mut stopping = task::spawn(cell.wait_for(|state| state == Lifecycle::Stopping));
    assert_pending!(stopping.poll());
    assert_eq!(panic_message(|| token.cancel()).as_deref(), Some("foreign"));
    go_on.send(()).expect("the body waits");
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert!(stopping.is_woken());
    assert_eq!(assert_ready!(stopping.poll()), Lifecycle::Stopping);
}

/// A waiter of a child token that cancels the parent from inside the child's `cancel()`. That second
/// call may return early. The first one does not.
#[test]
fn a_cancel_inside_a_cancel_moves_the_cell_before_the_outer_one_returns() {
    let (service, parent) = (Service::new(), CancellationToken::new());
    let child = parent.child_token();
    let cancels_the_parent = on_wake({
        let parent = parent.clone();
        move || parent.cancel()
    });
    let _wait = pending_with(&cancels_the_parent, child.cancelled());
    assert_eq!(now(service.start(child.clone(), async { Ok(()) })), Ok(()));
    child.cancel();
    assert!(parent.is_cancelled());
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

/// Calls a cell from a drop, a `Display`, or a waker, where a lock that is held would deadlock.
struct Reenters {
    cell: StateCell,
    token: CancellationToken,
    call: fn(&StateCell, &CancellationToken),
}

impl Reenters {
    fn call(&self) {
        (self.call)(&self.cell, &self.token);
        let _ = (self.cell.state(), self.cell.failure());
    }
}

impl Drop for Reenters {
    fn drop(&mut self) {
        self.call();
    }
}

/// An error that calls the cell when it is displayed and when it is dropped.
struct ReentersError(Option<Reenters>);

impl From<StartError> for ReentersError {
    fn from(_: StartError) -> Self {
        Self(None)
    }
}

impl std::fmt::Display for ReentersError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(reenters) = &self.0 {
            reenters.call();
        }
        f.write_str("reenters")
    }
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Waits,
    Fails,
    Succeeds,
    Panics,
}

#[cancel_guarded(state = cell)]
async fn reenters(
    cell: StateCell,
    shutdown: CancellationToken,
    body: Body,
    [parameter, local, served]: [Reenters; 3],
) -> Result<Reenters, ReentersError> {
    let _parameter = &parameter;
    let served = cell.serve(async move {
        let _served = served;
        pending::<()>().await;
    });
    match body {
        Body::Waits => {
            let _left = (local, served);
            pending().await
        }
        Body::Fails => Err(ReentersError(Some(local))),
        Body::Succeeds => Ok(local),
        Body::Panics => panic!("the body"),
    }
}

#[test]
fn a_cell_may_be_called_from_drops_displays_and_wakers() {
    let calls: [fn(&StateCell, &CancellationToken); 9] = [
        |_, token| token.cancel(),
        |cell, _| _ = cell.request_stop(),
        |cell, _| _ = cell.fail("from a drop"),
        |cell, _| cell.abort(),
        |cell, _| _ = task::spawn(cell.stop()).poll(),
        |cell, _| _ = task::spawn(cell.running()).poll(),
        |cell, token| drop(cell.begin_again(token)),
        |cell, _| drop((cell.serve_guard(), format!("{cell:?}"))),
        |cell, _| _ = cell.transition(Lifecycle::Running, Lifecycle::Stopping),
    ];
    for (number, act) in calls.into_iter().enumerate() {
        for body in [Body::Waits, Body::Fails, Body::Succeeds, Body::Panics] {
            let cell = start_that_reenters(act, body);
            assert!(
                matches!(cell.state(), Lifecycle::Failed | Lifecycle::Stopped),
                "call {number}, {body:?}: {cell:?}"
            );
            let _ = now(cell.stopped());
        }
    }
}

/// Makes a start that is cancelled, with values and wakers that all call `act`.
fn start_that_reenters(act: fn(&StateCell, &CancellationToken), body: Body) -> StateCell {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let make = || Reenters {
        cell: cell.clone(),
        token: token.clone(),
        call: act,
    };
    let waker = on_wake({
        let value = make();
        move || value.call()
    });
    let _cancelled = pending_with(&waker, token.cancelled());
    let _ended = pending_with(&waker, cell.stopped());
    let values = [make(), make(), make()];
    let mut start = Box::pin(reenters(cell.clone(), token.clone(), body, values));
    let mut is_over = false;
    while !is_over {
        // A panic of the body ends the start, too.
        let message = panic_message(|| {
            is_over = start
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready();
        });
        is_over |= message.is_some();
        token.cancel();
    }
    cell
}

/// A runtime that goes away drops its tasks, and that ends the attempt.
#[test]
fn a_runtime_that_shuts_down_ends_its_services() {
    for (published, shut_down) in [false, true].into_iter().flat_map(|published| {
        let ways: [fn(Runtime); 2] = [drop, Runtime::shutdown_background];
        ways.map(|way| (published, way))
    }) {
        for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let runtime = builder.worker_threads(2).build().expect("a runtime");
            let (service, seen) = (Service::new(), Log::default());
            let stopped = service.state.stopped();
            let begun = service.state.wait_for(move |state| {
                let reached = if published {
                    Lifecycle::Running
                } else {
                    Lifecycle::Starting
                };
                state >= reached
            });
            runtime.spawn({
                let (service, remnant) = (service.clone(), Remnant::of(&service.state, &seen));
                async move {
                    let body = async {
                        let served = async move {
                            let _remnant = remnant;
                            pending::<()>().await;
                        };
                        tokio::spawn(service.state.serve(served));
                        if published {
                            return Ok(());
                        }
                        pending().await
                    };
                    service.start(CancellationToken::new(), body).await
                }
            });
            runtime.block_on(begun);
            shut_down(runtime);
            let failure = futures::executor::block_on(stopped).expect_err("it was dropped");
            assert_eq!(failure.kind(), FailureKind::Dropped);
            assert_eq!(service.state.state(), Lifecycle::Failed);
            assert_eq!(seen.all().len(), 1, "what was served is gone");
        }
    }
}
