//! A body that publishes itself: it is the service, and its end is the end of the service.

use std::cell::RefCell;
use std::future::pending;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::{
    CANCELLED, Log, Remnant, TestError, not_startable, now, on_wake, panic_message, pending_with,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

use Lifecycle::{Created, Failed, Running, Starting, Stopped, Stopping};

/// A service that runs until it is cancelled, and then drains.
#[derive(Default)]
struct Daemon {
    state: StateCell,
    seen: Log<Lifecycle>,
}

impl Daemon {
    /// Runs the service.
    #[cancel_guarded(state = self.state, shielded)]
    async fn run(
        &self,
        shutdown: CancellationToken,
        set_up: oneshot::Receiver<()>,
        drained: oneshot::Receiver<Result<(), TestError>>,
    ) -> Result<(), TestError> {
        set_up.await.map_err(|_| TestError::Own("set-up"))?;
        self.state.store(Running);
        self.seen.push(self.state.state());
        shutdown.cancelled().await;
        self.state.store(Stopping);
        self.seen.push(self.state.state());
        drained.await.map_err(|_| TestError::Own("drain"))?
    }
}

type Ends = (
    oneshot::Sender<()>,
    oneshot::Sender<Result<(), TestError>>,
    oneshot::Receiver<()>,
    oneshot::Receiver<Result<(), TestError>>,
);

fn ends() -> Ends {
    let (set_up, on_set_up) = oneshot::channel();
    let (drained, on_drained) = oneshot::channel();
    (set_up, drained, on_set_up, on_drained)
}

#[test]
fn the_body_publishes_and_its_end_stops() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (set_up, drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(token.clone(), on_set_up, on_drained));
    assert_pending!(run.poll());
    assert_eq!(daemon.state.state(), Starting);
    set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert_eq!(daemon.state.state(), Running);
    assert_eq!(now(daemon.state.running()), Ok(()));

    token.cancel();
    assert_eq!(daemon.state.state(), Stopping, "inside cancel()");
    assert!(run.is_woken());
    assert_pending!(run.poll(), "it drains: nothing is interrupted any more");
    assert_eq!(
        daemon.seen.all(),
        [Running, Stopping],
        "store(STOPPING) is a no-op"
    );
    drained.send(Ok(())).expect("it listens");
    assert_eq!(assert_ready!(run.poll()), Ok(()));
    assert_eq!(daemon.state.state(), Stopped);
    assert_eq!(daemon.state.failure(), None);
}

#[test]
fn a_cancelled_body_runs_on_but_never_publishes() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (set_up, drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(token.clone(), on_set_up, on_drained));
    assert_pending!(run.poll());
    token.cancel();
    assert!(!run.is_woken(), "there is nothing for it to do");
    assert_pending!(run.poll(), "shielded");
    set_up.send(()).expect("it listens");
    drained.send(Ok(())).expect("it listens");
    assert_eq!(
        assert_ready!(run.poll()),
        Err(CANCELLED),
        "it never published"
    );
    assert_eq!(daemon.seen.all(), [Starting; 2], "nothing was written");
    assert_eq!(daemon.state.state(), Failed);
}

#[test]
fn an_error_fails_the_service() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (set_up, drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(token.clone(), on_set_up, on_drained));
    set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    token.cancel();
    drained
        .send(Err(TestError::Own("stuck")))
        .expect("it listens");
    assert_eq!(assert_ready!(run.poll()), Err(TestError::Own("stuck")));
    assert_eq!(daemon.state.state(), Failed);
    let failure = daemon.state.failure().expect("a cause");
    assert_eq!(
        (failure.kind(), failure.to_string().as_str()),
        (FailureKind::Error, "stuck")
    );
}

#[test]
fn a_drop_fails_the_service() {
    let daemon = Daemon::default();
    let (set_up, _drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), on_set_up, on_drained));
    set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    drop(run);
    assert_eq!(daemon.state.state(), Failed);
    let failure = daemon.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

#[test]
fn others_cannot_move_the_cell() {
    let daemon = Daemon::default();
    let (set_up, _drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), on_set_up, on_drained));
    set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    let error = daemon
        .state
        .transition(Running, Stopping)
        .expect_err("the body's to make");
    assert_eq!(error.actual(), Running);
    assert!(daemon.state.request_stop(), "but it can be asked");
    assert_eq!(daemon.state.state(), Stopping);
    assert!(run.is_woken(), "through the token that it sees");
}

#[test]
fn fail_from_outside_lets_the_body_end() {
    let daemon = Daemon::default();
    let (set_up, drained, on_set_up, on_drained) = ends();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), on_set_up, on_drained));
    set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert!(daemon.state.fail("disk full"));
    assert_eq!(daemon.state.state(), Stopping);
    assert!(run.is_woken(), "its token is cancelled");
    assert_pending!(run.poll());
    drained.send(Ok(())).expect("it listens");
    assert_eq!(assert_ready!(run.poll()), Ok(()), "its own result");
    assert_eq!(daemon.state.state(), Failed);
    assert_eq!(
        daemon.state.failure().expect("a cause").to_string(),
        "disk full"
    );
}

/// The token is cancelled before a waiter learns of the error.
#[test]
fn the_token_is_cancelled_before_waiters_wake() {
    #[cancel_guarded(state = cell)]
    async fn fails_late(
        cell: &StateCell,
        shutdown: CancellationToken,
        child: &RefCell<Option<CancellationToken>>,
        go: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        *child.borrow_mut() = Some(shutdown);
        cell.store(Running);
        go.await.map_err(|_| TestError::Own("closed"))?;
        Err(TestError::Own("disk full"))
    }

    let (cell, child) = (StateCell::new(), RefCell::new(None));
    let (send, go) = oneshot::channel();
    let mut start = task::spawn(fails_late(&cell, CancellationToken::new(), &child, go));
    assert_pending!(start.poll());
    let child = child.take().expect("it has begun");
    let seen = Log::default();
    let waker = on_wake({
        let seen = seen.clone();
        move || seen.push(child.is_cancelled())
    });
    let _stopping = pending_with(&waker, cell.wait_for(|state| state == Stopping));
    send.send(()).expect("it listens");
    assert_eq!(
        assert_ready!(start.poll()),
        Err(TestError::Own("disk full"))
    );
    assert_eq!(seen.all(), [true]);
}

/// Stores `states`, one after the other.
#[cancel_guarded(state = cell, restart)]
async fn store_all(
    cell: &StateCell,
    shutdown: CancellationToken,
    states: &[Lifecycle],
    seen: &Log<Lifecycle>,
) -> Result<(), TestError> {
    for &state in states {
        cell.store(state);
        seen.push(cell.state());
    }
    Ok(())
}

fn stored(states: &[Lifecycle]) -> (Result<(), TestError>, Vec<Lifecycle>, StateCell) {
    let (cell, seen) = (StateCell::new(), Log::default());
    let result = now(store_all(&cell, CancellationToken::new(), states, &seen));
    (result, seen.all(), cell)
}

#[test]
fn the_body_may_store_stopped() {
    let (result, seen, cell) = stored(&[Running, Stopping, Stopped]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, [Running, Stopping, Stopped]);
    assert_eq!(cell.state(), Stopped);
}

#[test]
fn running_cannot_follow_stopping() {
    let (result, seen, cell) = stored(&[Running, Stopping, Running]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, [Running, Stopping, Stopping]);
    assert_eq!(cell.state(), Stopped, "its end");
}

#[test]
fn a_stop_before_publication_refuses_the_start() {
    for state in [Stopping, Stopped] {
        let (result, seen, cell) = stored(&[state, Running]);
        assert_eq!(result, Err(CANCELLED), "it stopped itself");
        assert_eq!(seen, [Starting; 2]);
        assert_eq!(cell.state(), Failed);
    }
}

#[test]
fn states_of_the_guard_cannot_be_stored() {
    for state in [Created, Starting, Failed] {
        let cell = StateCell::new();
        let message = panic_message(|| {
            let log = Log::default();
            let states = [state];
            let start = store_all(&cell, CancellationToken::new(), &states, &log);
            let _ = now(start);
        });
        let message = message.expect("it panics");
        assert!(message.starts_with("a start cannot store"), "{message}");
        assert_eq!(cell.state(), Failed);
        let failure = cell.failure().expect("a cause");
        assert_eq!(failure.kind(), FailureKind::Panicked);
    }
}

/// Stores `STOPPED` and then waits for `end`.
#[cancel_guarded(state = cell, restart)]
async fn lingers(
    cell: &StateCell,
    shutdown: CancellationToken,
    end: oneshot::Receiver<Result<(), TestError>>,
) -> Result<(), TestError> {
    cell.store(Running);
    cell.store(Stopped);
    end.await.map_err(|_| TestError::Own("closed"))?
}

#[test]
fn the_body_keeps_the_cell_after_stopped() {
    let cell = StateCell::new();
    let (end, on_end) = oneshot::channel();
    let mut run = task::spawn(lingers(&cell, CancellationToken::new(), on_end));
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Stopped);
    now(cell.stopped());
    let (_end, on_end) = oneshot::channel();
    let second = now(lingers(&cell, CancellationToken::new(), on_end));
    assert_eq!(
        second,
        Err(not_startable("Stopped")),
        "its body still exists"
    );
    end.send(Err(TestError::Own("late"))).expect("it listens");
    assert_eq!(assert_ready!(run.poll()), Err(TestError::Own("late")));
    assert_eq!(cell.state(), Stopped, "terminal is terminal");
    let (_end, on_end) = oneshot::channel();
    let mut third = task::spawn(lingers(&cell, CancellationToken::new(), on_end));
    assert_pending!(third.poll(), "now it may start");
}

/// Serves a future, publishes, and returns before the future ends.
#[cancel_guarded(state = cell)]
async fn serves_and_ends(
    cell: &StateCell,
    shutdown: CancellationToken,
    part: Remnant,
    slot: &RefCell<Option<task::Spawn<cancel_guarded::Served<Lifecycle, Ending>>>>,
    end: Ending,
) -> Result<(), TestError> {
    *slot.borrow_mut() = Some(task::spawn(cell.serve(end)));
    cell.store(Running);
    let _part = part;
    Ok(())
}

type Ending = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[test]
fn stopped_waits_for_body_and_served_future() {
    let (cell, slot, seen) = (StateCell::new(), RefCell::new(None), Log::default());
    let (end, on_end) = oneshot::channel::<()>();
    let ended: Ending = Box::pin(async { drop(on_end.await) });
    let part = Remnant::of(&cell, &seen);
    let started = now(serves_and_ends(
        &cell,
        CancellationToken::new(),
        part,
        &slot,
        ended,
    ));
    assert_eq!(started, Ok(()));
    assert_eq!(cell.state(), Running, "one served future is left");
    let mut served = slot.borrow_mut().take().expect("served");
    assert_pending!(served.poll());
    end.send(()).expect("it listens");
    assert_eq!(assert_ready!(served.poll()), Some(()));
    assert_eq!(cell.state(), Stopped);
}

/// Serves a future, publishes, and fails.
#[cancel_guarded(state = cell)]
async fn serves_and_fails(
    cell: &StateCell,
    shutdown: CancellationToken,
    slot: &RefCell<Option<task::Spawn<cancel_guarded::Served<Lifecycle, Ending>>>>,
) -> Result<(), TestError> {
    let drain: Ending = Box::pin(async move { shutdown.cancelled().await });
    *slot.borrow_mut() = Some(task::spawn(cell.serve(drain)));
    cell.store(Running);
    Err(TestError::Own("body"))
}

#[test]
fn an_error_cancels_what_is_served() {
    let (cell, slot) = (StateCell::new(), RefCell::new(None));
    let failed = now(serves_and_fails(&cell, CancellationToken::new(), &slot));
    assert_eq!(failed, Err(TestError::Own("body")), "at once");
    assert_eq!(cell.state(), Stopping, "one served future is left");
    let mut served = slot.borrow_mut().take().expect("served");
    assert_eq!(assert_ready!(served.poll()), Some(()), "it was told");
    assert_eq!(cell.state(), Failed);
    assert_eq!(cell.failure().expect("a cause").to_string(), "body");
}

/// Has a shielded step, and then an await that may be interrupted.
#[cancel_guarded(state = cell)]
async fn migrates(
    cell: &StateCell,
    shutdown: CancellationToken,
    migrated: oneshot::Receiver<()>,
    seen: &Log<Lifecycle>,
) -> Result<(), TestError> {
    #[shielded]
    let migrated = migrated.await;
    seen.push(cell.state());
    migrated.map_err(|_| TestError::Own("closed"))?;
    pending::<()>().await;
    Ok(())
}

#[test]
fn a_shielded_step_runs_to_its_end() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let token = CancellationToken::new();
    let (send, migrated) = oneshot::channel();
    let mut start = task::spawn(migrates(&cell, token.clone(), migrated, &seen));
    assert_pending!(start.poll());
    token.cancel();
    assert_pending!(start.poll(), "not interrupted");
    send.send(()).expect("it listens");
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED), "but behind it");
    assert_eq!(seen.all(), [Starting], "the step ended");
    assert_eq!(cell.state(), Failed);
}

/// Publishes when `go` is sent.
#[cancel_guarded(state = cell)]
async fn publishes(
    cell: &StateCell,
    shutdown: CancellationToken,
    go: oneshot::Receiver<()>,
) -> Result<(), TestError> {
    #[shielded]
    let _ = go.await;
    cell.store(Running);
    pending::<()>().await;
    Ok(())
}

/// If another waker panics inside `cancel()`, the hook is never woken. The flag of the token is
/// set, and the body does not publish.
#[test]
fn a_missed_wake_publishes_nothing() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let bad = on_wake(|| panic!("a bad waker"));
    let _wait = pending_with(&bad, token.cancelled());
    let (send, go) = oneshot::channel();
    let mut start = task::spawn(publishes(&cell, token.clone(), go));
    assert_pending!(start.poll());
    assert!(
        panic_message(|| token.cancel()).is_some(),
        "out of cancel()"
    );
    token.cancel();
    send.send(()).expect("it listens");
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(cell.state(), Failed);
}

/// The commit at the end of the body reads the flag, too.
#[test]
fn a_missed_wake_commits_nothing() {
    let (service, token) = (
        cancel_guarded_tests::Service::new(),
        CancellationToken::new(),
    );
    let bad = on_wake(|| panic!("a bad waker"));
    let _wait = pending_with(&bad, token.cancelled());
    let (send, go) = oneshot::channel::<()>();
    let mut start = task::spawn(service.start(token.clone(), async {
        go.await.map_err(|_| TestError::Own("closed"))
    }));
    assert_pending!(start.poll());
    assert!(
        panic_message(|| token.cancel()).is_some(),
        "out of cancel()"
    );
    send.send(()).expect("it listens");
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Failed);
}

/// The commit of a body that never waits reads the flag, whether the token is passed by reference
/// or by value.
#[test]
fn a_missed_wake_commits_nothing_at_once() {
    #[cancel_guarded(state = cell)]
    async fn lent(
        cell: &StateCell,
        shutdown: &CancellationToken,
        cancel: impl FnOnce(),
    ) -> Result<(), TestError> {
        cancel();
        Ok(())
    }

    #[cancel_guarded(state = cell)]
    async fn given(
        cell: &StateCell,
        shutdown: CancellationToken,
        cancel: impl FnOnce(),
    ) -> Result<(), TestError> {
        cancel();
        Ok(())
    }

    for is_lent in [true, false] {
        let (cell, token) = (StateCell::new(), CancellationToken::new());
        let bad = on_wake(|| panic!("a bad waker"));
        let _wait = pending_with(&bad, token.cancelled());
        let cancel = || assert!(panic_message(|| token.cancel()).is_some());
        let refused = if is_lent {
            now(lent(&cell, &token, cancel))
        } else {
            now(given(&cell, token.clone(), cancel))
        };
        assert_eq!(refused, Err(CANCELLED));
        assert_eq!(cell.state(), Failed);
    }
}

/// After publication the cell holds no waker of the task that polled the start.
#[test]
fn publication_drops_the_waker_of_the_start() {
    let (send, go) = oneshot::channel();
    let cell = StateCell::new();
    let held = Arc::new(());
    let task = on_wake({
        let held = Arc::clone(&held);
        move || assert!(Arc::strong_count(&held) > 1)
    });
    let start = pending_with(&task, publishes(&cell, CancellationToken::new(), go));
    drop(task);
    send.send(()).expect("it listens");
    let mut start = task::spawn(start);
    assert_pending!(start.poll());
    assert_eq!(cell.state(), Running);
    assert_eq!(Arc::strong_count(&held), 1);
}
