//! The methods of a cell that change or read its state: `transition`, `fail`, `wait_for`, `Debug`.

use std::future::pending;
use std::sync::Arc;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, ServeGuard, State, StateCell,
    TransitionError, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Log, Service, TestError, now, on_wake, panic_message, pending_with, running_service,
};
use tokio_test::{assert_pending, assert_ready, task};

use Lifecycle::{Created, Failed, Running, Starting, Stopped, Stopping};

/// Starts a service that serves until the returned guard is dropped.
fn serving() -> (Service, CancellationToken, ServeGuard) {
    let (service, token) = (Service::new(), CancellationToken::new());
    let guard = now(service.start(token.clone(), async { Ok(service.state.serve_guard()) }));
    (service, token, guard.expect("starts"))
}

/// Returns the pairs `(from, to)` that `transition` accepts on the cells that `make` makes, each with
/// the state that the cell then has. `make` also returns what keeps the cell in its state.
fn allowed<T>(make: impl Fn() -> (StateCell, T)) -> Vec<(Lifecycle, Lifecycle, Lifecycle)> {
    let mut accepted = Vec::new();
    for &from in Lifecycle::VARIANTS {
        for &to in Lifecycle::VARIANTS {
            let (cell, _keeps) = make();
            let before = cell.state();
            match cell.transition(from, to) {
                Ok(()) => accepted.push((from, to, cell.state())),
                Err(error) => {
                    assert_eq!((error.from(), error.to()), (from, to));
                    assert_eq!(error.actual(), before);
                    assert_eq!(cell.state(), before, "nothing is changed");
                }
            }
            assert!(!cell.stop_requested(), "without the latch");
        }
    }
    accepted
}

#[test]
fn transition_before_any_start() {
    assert_eq!(
        allowed(|| (StateCell::new(), ())),
        [(Created, Stopping, Stopped)]
    );
}

/// The attempt to come has ended too: its waiters are woken.
#[test]
fn a_restart_may_follow_a_transition_before_any_start() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    service
        .state
        .transition(Created, Stopping)
        .expect("the service's");
    assert!(running.is_woken());
    assert_ready!(running.poll()).expect_err("no attempt ran");
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("from Stopped");
}

#[test]
fn transition_of_a_running_service() {
    let made = allowed(|| {
        let (service, _token, guard) = serving();
        (service.state, guard)
    });
    assert_eq!(
        made,
        [(Running, Running, Running), (Running, Stopping, Stopping)]
    );
}

#[test]
fn transition_of_a_service_that_serves_nothing() {
    let made = allowed(|| (running_service().0.state, ()));
    assert_eq!(
        made,
        [(Running, Running, Running), (Running, Stopping, Stopped)]
    );
}

/// Only the end of the last part stops a service.
#[test]
fn transition_of_a_stopping_service() {
    let made = allowed(|| {
        let (service, token, guard) = serving();
        token.cancel();
        assert_eq!(service.state.state(), Stopping);
        (service.state, guard)
    });
    assert_eq!(made, []);
}

#[test]
fn transition_after_the_end() {
    let stopped = || {
        let (service, token) = running_service();
        token.cancel();
        (service.state, ())
    };
    let failed = || {
        let cell: StateCell = StateCell::new();
        cell.fail("never began");
        (cell, ())
    };
    assert_eq!(allowed(stopped), []);
    assert_eq!(allowed(failed), []);
}

/// The attempt owns its cell until it has published. Others can only ask it to end.
#[test]
fn transition_during_a_start() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    for &to in Lifecycle::VARIANTS {
        if to != Stopping {
            let error = service.state.transition(Starting, to).expect_err("refused");
            assert_eq!(
                error.to_string(),
                format!(
                    "only the guard makes the transition from Starting to {}",
                    to.name()
                )
            );
        }
    }
    assert!(!start.is_woken());
    service
        .state
        .transition(Starting, Stopping)
        .expect("it is asked to end");
    assert_eq!(service.state.state(), Starting, "its body is left");
    assert!(start.is_woken());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert!(!service.state.stop_requested());
}

#[test]
fn the_error_names_the_actual_state() {
    let error: TransitionError<Lifecycle> = StateCell::new()
        .transition(Running, Stopping)
        .expect_err("it is not running");
    assert_eq!(
        error.to_string(),
        "no transition from Running to Stopping: the state is Created"
    );
}

#[test]
fn fail_before_any_start() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    assert!(service.state.fail("no config"));
    assert_eq!(service.state.state(), Failed);
    let error = assert_ready!(running.poll()).expect_err("it never ran");
    assert_eq!(error.failure(), Some(&Failure::new("no config")));
}

#[test]
fn fail_while_running() {
    let service = Service::new();
    let child =
        now(service.start_seeing(CancellationToken::new(), |shutdown| async { Ok(shutdown) }))
            .expect("starts");
    let mut stopped = task::spawn(service.state.stopped());
    assert_pending!(stopped.poll());
    assert!(service.state.fail("disk full"));
    assert_eq!(service.state.state(), Failed, "no part is left");
    assert!(child.is_cancelled());
    assert!(stopped.is_woken());
    let failure = assert_ready!(stopped.poll()).expect_err("it failed");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "disk full");
    assert!(!failure.was_told_to_end(), "it ended by itself");
    assert!(!service.state.fail("later"));
    assert_eq!(service.state.failure(), Some(failure));
}

/// `FAILED` follows when the last part is gone. The cause is there at once.
#[test]
fn fail_while_stopping() {
    let (service, token, guard) = serving();
    token.cancel();
    assert!(service.state.fail("drain"));
    assert_eq!(service.state.state(), Stopping);
    let failure = service.state.failure().expect("it cannot change any more");
    assert_eq!(failure.to_string(), "drain");
    assert!(failure.was_told_to_end());
    drop(guard);
    assert_eq!(service.state.state(), Failed);
}

#[test]
fn fail_after_the_end_changes_nothing() {
    let (service, token) = running_service();
    token.cancel();
    assert!(!service.state.fail("late"));
    assert_eq!(service.state.state(), Stopped, "terminal is terminal");
    assert_eq!(service.state.failure(), None);
}

#[test]
fn wait_for_returns_the_matching_state() {
    let service = Service::new();
    let mut wait = task::spawn(service.state.wait_for(|state| state >= Stopping));
    assert_pending!(wait.poll());
    let token = CancellationToken::new();
    let guard = now(service.start(token.clone(), async { Ok(service.state.serve_guard()) }));
    assert!(wait.is_woken());
    assert_pending!(wait.poll(), "not that one");
    token.cancel();
    assert!(wait.is_woken());
    assert_eq!(assert_ready!(wait.poll()), Stopping);
    assert_eq!(now(service.state.wait_for(|_| true)), Stopping, "at once");
    drop(guard);
}

/// A cancelled start reads `STARTING` until all of its parts are dropped.
#[test]
fn waiters_wake_only_when_failed_is_readable() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(start.poll());
    let mut failed = task::spawn(service.state.wait_for(|state| state == Failed));
    let mut running = task::spawn(service.state.running());
    let mut stopped = task::spawn(service.state.stopped());
    assert_pending!(failed.poll());
    assert_pending!(running.poll());
    assert_pending!(stopped.poll());

    token.cancel();
    assert!(!failed.is_woken() && !running.is_woken() && !stopped.is_woken());
    assert_ready!(start.poll()).expect_err("refused");
    assert!(failed.is_woken() && running.is_woken() && stopped.is_woken());
    assert_eq!(assert_ready!(failed.poll()), Failed);
    assert_ready!(running.poll()).expect_err("it never ran");
    assert_eq!(assert_ready!(stopped.poll()), Ok(()), "it was told to end");
}

#[test]
fn a_dropped_wait_drops_its_waker() {
    let (service, _token) = running_service();
    let counted = Arc::new(());
    let waker = on_wake({
        let counted = Arc::clone(&counted);
        move || drop(Arc::clone(&counted))
    });
    {
        let _stopped = pending_with(&waker, service.state.stopped());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&counted), 1, "with its waker");
}

#[test]
fn debug_shows_name_state_and_failure() {
    let cell: StateCell = StateCell::named("mailer");
    assert_eq!(
        format!("{cell:?}"),
        r#"StateCell { name: "mailer", state: Created }"#
    );
    cell.fail("no config");
    assert_eq!(
        format!("{cell:?}"),
        r#"StateCell { name: "mailer", state: Failed, failure: Error("no config") }"#
    );
    let clone = cell.clone();
    assert_eq!(clone.state(), Failed, "clones share one state");
}

/// From this a log explains what a stop waits for.
#[test]
fn debug_shows_what_is_left_and_the_latch() {
    let (service, _token, guard) = serving();
    service.state.request_stop();
    let shown = format!("{:?}", service.state);
    let counted =
        r#"StateCell { state: Stopping, stop_requested: true, parts: {"guards": 1}, made_at"#;
    assert!(shown.starts_with(counted), "{shown}");
    drop(guard);
    assert_eq!(
        format!("{:?}", service.state),
        "StateCell { state: Stopped, stop_requested: true }"
    );

    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    assert_eq!(
        format!("{:?}", service.state),
        "StateCell { state: Starting, body: true }"
    );
}

#[test]
fn cells_and_futures_are_send() {
    fn send<T: Send>(_: T) {}
    fn send_and_sync<T: Send + Sync>(_: T) {}

    let (service, token) = running_service();
    send_and_sync(service.state.clone());
    send_and_sync(service.state.running());
    send_and_sync(service.state.stopped());
    send_and_sync(service.state.stop());
    send_and_sync(service.state.stop_or_abort(std::future::ready(())));
    send_and_sync(service.state.publisher());
    send_and_sync(service.state.serve_guard());
    send_and_sync(
        service
            .state
            .serve(async { Err::<(), _>(TestError::Own("no")) }),
    );
    send_and_sync(service.state.track(async {}));
    send(service.start(token.clone(), async { Ok(()) }));
    send(service.start_seeing(token, |_| async { Ok(()) }));
}

/// Returns an error that is not `Send`. The future of the start is `Send`.
#[cancel_guarded(state = cell)]
async fn boxed(
    cell: &StateCell,
    shutdown: CancellationToken,
) -> Result<(), Box<dyn std::error::Error>> {
    std::future::ready(()).await;
    Ok(())
}

#[test]
fn a_start_may_return_what_is_not_send() {
    fn send<T: Send>(future: T) -> T {
        future
    }
    let cell = StateCell::new();
    assert!(now(send(boxed(&cell, CancellationToken::new()))).is_ok());
    assert!(cell.is_running());
}

/// A leaked start never ends. Its cell keeps reading `STARTING`.
#[test]
fn a_leaked_start_stays_starting() {
    let service = Service::new();
    let start = service.clone();
    let mut start =
        task::spawn(async move { start.start::<()>(CancellationToken::new(), pending()).await });
    assert_pending!(start.poll());
    std::mem::forget(start);
    assert!(service.state.request_stop());
    assert_eq!(service.state.state(), Starting);
}

/// A state with two variants for six roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Light {
    #[state(initial, starting, stopping, stopped, failed)]
    Dark,
    #[state(running)]
    Lit,
}

#[cancel_guarded(state = cell, on_refused = |error| Err(error.to_string()))]
async fn light(cell: &StateCell<Light>, shutdown: CancellationToken) -> Result<(), String> {
    Ok(())
}

#[test]
fn one_variant_may_have_several_roles() {
    let cell = StateCell::<Light>::new();
    let token = CancellationToken::new();
    let attempt = cell.begin(&token).expect("it begins");
    let guard = cell.serve_guard();
    assert_eq!(now(attempt.start(async |_| Some(()))), Some(()));
    assert!(cell.is_running());
    token.cancel();
    assert_eq!(cell.state(), Light::Dark, "it is stopping");
    assert!(cell.token().is_some(), "it has not ended");
    drop(guard);
    assert_eq!(cell.state(), Light::Dark);
    assert!(cell.token().is_none());
    let again = now(light(&cell, CancellationToken::new()));
    assert_eq!(
        again,
        Err("start refused: cannot start from state Dark: it was started before and has not ended, or \
             it has ended and the start has no `restart`".to_owned()),
        "the cell is stopped, not initial"
    );
}

/// A state with a step of its own, `Compacting`, and a hand-written `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Db {
    Idle,
    Opening,
    Open,
    Compacting,
    Closing,
    Closed,
    Broken,
}

impl State for Db {
    const INITIAL: Self = Self::Idle;
    const STARTING: Self = Self::Opening;
    const RUNNING: Self = Self::Open;
    const STOPPING: Self = Self::Closing;
    const STOPPED: Self = Self::Closed;
    const FAILED: Self = Self::Broken;
    const VARIANTS: &'static [Self] = &[
        Self::Idle,
        Self::Opening,
        Self::Open,
        Self::Compacting,
        Self::Closing,
        Self::Closed,
        Self::Broken,
    ];

    fn index(self) -> u8 {
        self as u8
    }

    fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Opening => "Opening",
            Self::Open => "Open",
            Self::Compacting => "Compacting",
            Self::Closing => "Closing",
            Self::Closed => "Closed",
            Self::Broken => "Broken",
        }
    }
}

#[cancel_guarded(state = cell, on_refused = |_| None)]
async fn open_serving(cell: &StateCell<Db>, shutdown: CancellationToken) -> Option<ServeGuard<Db>> {
    Some(cell.serve_guard())
}

#[cancel_guarded(state = cell, on_refused = |error| Err(error.to_string()))]
async fn open(cell: &StateCell<Db>, shutdown: CancellationToken) -> Result<(), String> {
    Ok(())
}

#[test]
fn own_steps_belong_to_the_service() {
    let cell = StateCell::<Db>::new();
    let token = CancellationToken::new();
    let guard = now(open_serving(&cell, token.clone())).expect("opens");
    cell.transition(Db::Open, Db::Compacting)
        .expect("its own step");
    assert!(!cell.is_running());
    cell.transition(Db::Compacting, Db::Open).expect("and back");
    cell.transition(Db::Open, Db::Compacting)
        .expect("once more");
    token.cancel();
    assert_eq!(cell.state(), Db::Closing, "cancelled in its own step");
    cell.transition(Db::Compacting, Db::Open)
        .expect_err("never again in this attempt");
    drop(guard);
    assert_eq!(cell.state(), Db::Closed);

    let cell = StateCell::<Db>::new();
    now(open(&cell, CancellationToken::new())).expect("opens");
    cell.transition(Db::Open, Db::Compacting)
        .expect("its own step");
    assert!(cell.request_stop(), "also there");
    assert_eq!(cell.state(), Db::Closed, "nothing is served");
}

#[cancel_guarded(state = cell, on_refused = |error| Err(error.to_string()))]
async fn compacts(
    cell: &StateCell<Db>,
    shutdown: CancellationToken,
    seen: &Log<Db>,
) -> Result<(), String> {
    cell.store(Db::Compacting);
    seen.push(cell.state());
    Ok(())
}

#[test]
fn a_start_may_store_own_steps() {
    let (cell, seen) = (StateCell::new(), Log::default());
    now(compacts(&cell, CancellationToken::new(), &seen)).expect("opens");
    assert_eq!(seen.all(), [Db::Compacting]);
    assert!(cell.is_running());
}

/// Stores the state that it is given.
#[cancel_guarded(state = cell, on_refused = |error| Err(error.to_string()))]
async fn stores(cell: &StateCell<Db>, shutdown: CancellationToken, to: Db) -> Result<(), String> {
    cell.store(to);
    Ok(())
}

/// What the macro cannot read in the text fails where it is run.
#[test]
fn a_start_that_stores_a_state_of_the_guard_panics() {
    for (to, says) in [
        (Db::Idle, "only the guard writes"),
        (Db::Opening, "only the guard writes"),
        (Db::Open, "a start cannot store Open"),
        (Db::Closed, "only the guard writes"),
        (Db::Broken, "only the guard writes"),
    ] {
        let cell = StateCell::new();
        let message = panic_message(|| {
            let _ = now(stores(&cell, CancellationToken::new(), to));
        });
        let message = message.expect("it panics");
        assert!(message.contains(says), "{message}");
        assert_eq!(cell.state(), Db::Broken);
    }
}

#[test]
fn a_start_that_stores_stopping_is_refused() {
    let cell = StateCell::new();
    let refused = now(stores(&cell, CancellationToken::new(), Db::Closing));
    assert_eq!(
        refused,
        Err(
            "start refused: cancelled before it was running (its token was cancelled, or the \
             service was told to stop)"
                .to_owned()
        )
    );
    assert_eq!(cell.state(), Db::Broken);
    assert!(!cell.stop_requested(), "without the latch");
}

/// Steps are of a published attempt, or of the body that starts one.
#[test]
fn own_steps_need_an_attempt() {
    let cell = StateCell::<Db>::new();
    cell.transition(Db::Idle, Db::Compacting)
        .expect_err("no attempt is under way");
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    cell.transition(Db::Opening, Db::Compacting)
        .expect_err("the attempt owns the cell");
    drop(attempt);
    assert_eq!(cell.state(), Db::Broken);
}
