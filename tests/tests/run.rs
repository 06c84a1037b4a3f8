//! Functions that run until they are cancelled: the body is the service, and the call returns when
//! the service is over.

use std::cell::RefCell;
use std::future::{pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::task::Poll;
use std::thread;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, Publisher, Served, StartError, State, StateCell,
    cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Log, Remnant, Service, TestError, not_startable, now, on_wake, panic_message,
    pending_with,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready_eq, assert_ready_err, assert_ready_ok, task};

use Lifecycle::{Created, Failed, Running, Starting, Stopped, Stopping};

const CLOSED: TestError = TestError::Own("closed");

/// A service with a set-up and a drain, which runs until it is cancelled.
#[derive(Default)]
struct Daemon {
    state: StateCell,
    seen: Log<Lifecycle>,
}

type Drained = Result<(), TestError>;

impl Daemon {
    /// Runs the service.
    #[cancel_guarded(run, state = self.state)]
    async fn run(
        &self,
        shutdown: CancellationToken,
        set_up: oneshot::Receiver<()>,
        drained: oneshot::Receiver<Drained>,
    ) -> Result<(), TestError> {
        set_up.await.map_err(|_| CLOSED)?;
        self.state.store(Running);
        self.seen.push(self.state.state());
        shutdown.cancelled().await;
        self.state.store(Stopping);
        self.seen.push(self.state.state());
        drained.await.map_err(|_| CLOSED)?
    }

    /// Runs the service, and is never interrupted.
    #[cancel_guarded(run, state = self.state, shielded)]
    async fn run_shielded(
        &self,
        shutdown: CancellationToken,
        set_up: oneshot::Receiver<()>,
    ) -> Result<&'static str, TestError> {
        set_up.await.map_err(|_| CLOSED)?;
        self.state.store(Running);
        self.seen.push(self.state.state());
        shutdown.cancelled().await;
        Ok("drained")
    }

    fn cause(&self) -> Option<(FailureKind, String)> {
        cause(&self.state)
    }
}

fn cause(cell: &StateCell) -> Option<(FailureKind, String)> {
    let failure = cell.failure()?;
    Some((failure.kind(), failure.to_string()))
}

/// The sides of a daemon that a test keeps.
struct Outside {
    set_up: oneshot::Sender<()>,
    drained: oneshot::Sender<Drained>,
}

fn channels() -> (Outside, oneshot::Receiver<()>, oneshot::Receiver<Drained>) {
    let (set_up, on_set_up) = oneshot::channel();
    let (drained, on_drained) = oneshot::channel();
    (Outside { set_up, drained }, on_set_up, on_drained)
}

#[test]
fn the_body_publishes_and_its_end_stops() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(token.clone(), set_up, drained));
    assert_pending!(run.poll());
    assert_eq!(daemon.state.state(), Starting);
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert_eq!(daemon.state.state(), Running);
    assert_eq!(now(daemon.state.running()), Ok(()));

    token.cancel();
    assert_eq!(daemon.state.state(), Stopping, "inside cancel()");
    assert!(run.is_woken());
    assert_pending!(run.poll(), "it drains: nothing interrupts it any more");
    assert_eq!(
        daemon.seen.all(),
        [Running, Stopping],
        "store(STOPPING) changes nothing"
    );
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_eq!(run.poll(), Ok(()));
    assert_eq!(daemon.state.state(), Stopped);
    assert_eq!(daemon.state.failure(), None);
}

#[test]
fn it_is_refused_at_entry_like_a_start() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    token.cancel();
    let (_outside, set_up, drained) = channels();
    assert_eq!(now(daemon.run(token, set_up, drained)), Err(CANCELLED));
    assert_eq!(daemon.state.state(), Failed);

    let (_outside, set_up, drained) = channels();
    let again = daemon.run(CancellationToken::new(), set_up, drained);
    assert_eq!(now(again), Err(not_startable("Failed")));
}

/// Until it has published, it may be interrupted at its awaits.
#[test]
fn it_is_interrupted_until_it_has_published() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(token.clone(), set_up, drained));
    assert_pending!(run.poll());
    token.cancel();
    assert!(run.is_woken());
    assert_ready_eq!(run.poll(), Err(CANCELLED));
    assert!(outside.set_up.is_closed(), "the body is dropped");
    assert_eq!(daemon.seen.all(), []);
    assert_eq!(daemon.state.state(), Failed);
}

/// The value of a body that ran to its end is the caller's. The cell tells what happened to the
/// service.
#[test]
fn a_shielded_run_that_is_cancelled_first_returns_its_value_and_never_publishes() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (outside, set_up, _) = channels();
    let mut run = task::spawn(daemon.run_shielded(token.clone(), set_up));
    assert_pending!(run.poll());
    token.cancel();
    assert!(!run.is_woken(), "there is nothing for it to do");
    assert_pending!(run.poll(), "shielded");
    outside.set_up.send(()).expect("it listens");
    assert_ready_eq!(run.poll(), Ok("drained"));
    assert_eq!(daemon.seen.all(), [Starting], "nothing was written");
    assert_eq!(daemon.state.state(), Failed);
    let failure = daemon.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
    assert!(now(daemon.state.running()).is_err());
    assert_eq!(now(daemon.state.stopped()), Ok(()), "a stop is no error");
}

#[test]
fn an_error_fails_the_service() {
    let daemon = Daemon::default();
    let token = CancellationToken::new();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(token.clone(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    token.cancel();
    let stuck = TestError::Own("stuck");
    outside
        .drained
        .send(Err(stuck.clone()))
        .expect("it listens");
    assert_ready_eq!(run.poll(), Err(stuck));
    assert_eq!(daemon.state.state(), Failed);
    assert_eq!(
        daemon.cause(),
        Some((FailureKind::Error, "stuck".to_owned()))
    );
    let failure = now(daemon.state.stopped()).expect_err("it failed on its way down");
    assert!(failure.was_told_to_end());
}

#[test]
fn an_error_before_publication_fails_the_attempt() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    drop(outside);
    let run = daemon.run(CancellationToken::new(), set_up, drained);
    assert_eq!(now(run), Err(CLOSED));
    assert_eq!(daemon.state.state(), Failed);
    assert!(now(daemon.state.running()).is_err());
}

#[test]
fn a_panic_fails_the_service() {
    #[cancel_guarded(run, state = cell)]
    async fn panics(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
        cell.store(Running);
        shutdown.cancelled().await;
        panic!("on the way down")
    }

    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let mut run = task::spawn(panics(&cell, token.clone()));
    assert_pending!(run.poll());
    token.cancel();
    let message = panic_message(|| drop(run.poll()));
    assert_eq!(message.as_deref(), Some("on the way down"));
    assert_eq!(cell.state(), Failed);
    let (kind, message) = cause(&cell).expect("a cause");
    assert_eq!(kind, FailureKind::Panicked);
    assert_eq!(message, "panicked: on the way down");
}

#[test]
fn a_drop_fails_the_service() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    drop(run);
    assert_eq!(daemon.state.state(), Failed);
    let failure = daemon.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

/// A stop from outside reaches the body through the token that it sees.
#[test]
fn a_stop_waits_for_the_body() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let token = CancellationToken::new();
    let mut run = task::spawn(daemon.run(token.clone(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    let mut stop = task::spawn(daemon.state.stop());
    assert_pending!(stop.poll());
    assert_eq!(daemon.state.state(), Stopping);
    assert!(run.is_woken());
    assert!(!token.is_cancelled(), "the caller's token is not ours");
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_ok!(run.poll());
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll());
    assert_eq!(daemon.state.state(), Stopped);
}

/// A polite stop by `transition` does not latch, but its end is still the body's.
#[test]
fn others_ask_it_to_stop_and_do_not_end_it() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    let error = (daemon.state).transition(Running, Stopped);
    assert_eq!(error.expect_err("only the guard").actual(), Running);
    (daemon.state).transition(Running, Stopping).expect("asks");
    assert!(run.is_woken(), "its token is cancelled");
    assert!(!daemon.state.stop_requested());
    let error = (daemon.state).transition(Stopping, Stopped);
    assert_eq!(error.expect_err("its body exists").actual(), Stopping);
    assert_pending!(run.poll());
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_ok!(run.poll());
    assert_eq!(daemon.state.state(), Stopped);
}

#[test]
fn fail_from_outside_lets_the_body_end() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert!(daemon.state.fail("disk full"));
    assert_eq!(daemon.state.state(), Stopping);
    assert!(run.is_woken(), "its token is cancelled");
    assert_pending!(run.poll());
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_eq!(run.poll(), Ok(()), "its own result");
    assert_eq!(daemon.state.state(), Failed);
    assert_eq!(
        daemon.cause(),
        Some((FailureKind::Error, "disk full".to_owned()))
    );
}

/// The token is cancelled before a waiter learns of the error. A served part keeps the cell in
/// `Stopping`, so that there is something to see.
#[test]
fn the_token_is_cancelled_before_waiters_wake() {
    #[cancel_guarded(run, state = cell)]
    async fn fails_late(
        cell: &StateCell,
        shutdown: CancellationToken,
        child: &RefCell<Option<CancellationToken>>,
        go: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        *child.borrow_mut() = Some(shutdown);
        cell.store(Running);
        go.await.map_err(|_| CLOSED)?;
        Err(TestError::Own("disk full"))
    }

    let (cell, child) = (StateCell::new(), RefCell::new(None));
    let (send, go) = oneshot::channel();
    let mut run = task::spawn(fails_late(&cell, CancellationToken::new(), &child, go));
    assert_pending!(run.poll());
    let child = child.take().expect("it has begun");
    let seen = Log::default();
    let waker = on_wake({
        let seen = seen.clone();
        move || seen.push(child.is_cancelled())
    });
    let _stopping = pending_with(&waker, cell.wait_for(|state| state == Stopping));
    send.send(()).expect("it listens");
    assert_ready_eq!(run.poll(), Err(TestError::Own("disk full")));
    assert_eq!(seen.all(), [true]);
}

/// Stores `states`, one after the other.
#[cancel_guarded(run, state = cell, restart)]
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
fn running_cannot_follow_stopping() {
    let (result, seen, cell) = stored(&[Running, Stopping, Running]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, [Running, Stopping, Stopping]);
    assert_eq!(cell.state(), Stopped, "its end");
    assert!(!cell.stop_requested(), "the body latches nothing");
}

#[test]
fn it_publishes_once() {
    let (result, seen, cell) = stored(&[Running, Running]);
    assert_eq!(result, Ok(()));
    assert_eq!(seen, [Running, Running]);
    assert_eq!(cell.state(), Stopped);
}

/// A body that stops itself before it has published was cancelled.
#[test]
fn a_store_of_stopping_cancels_an_unpublished_run() {
    let (result, seen, cell) = stored(&[Stopping, Running]);
    assert_eq!(result, Ok(()), "the body ran to its end");
    assert_eq!(seen, [Starting; 2]);
    assert_eq!(cell.state(), Failed);
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

/// Before publication, and after it.
#[test]
fn a_store_of_stopping_cancels_the_own_token_at_once() {
    #[cancel_guarded(run, state = cell)]
    async fn stops_itself(
        cell: &StateCell,
        shutdown: CancellationToken,
        first: Lifecycle,
        seen: &Log<bool>,
    ) -> Result<(), TestError> {
        cell.store(first);
        cell.store(Stopping);
        seen.push(shutdown.is_cancelled());
        Ok(())
    }

    for first in [Stopping, Running] {
        let (cell, seen) = (StateCell::new(), Log::default());
        let result = now(stops_itself(&cell, CancellationToken::new(), first, &seen));
        assert_eq!(
            (result, seen.all()),
            (Ok(()), vec![true]),
            "after {first:?}"
        );
    }
}

#[test]
fn states_of_the_guard_cannot_be_stored() {
    for state in [Created, Starting, Stopped, Failed] {
        for states in [vec![state], vec![Running, state]] {
            let cell = StateCell::new();
            let message = panic_message(|| {
                let log = Log::default();
                let run = store_all(&cell, CancellationToken::new(), &states, &log);
                let _ = now(run);
            });
            let message = message.expect("it panics");
            assert!(
                message.starts_with("a body cannot store"),
                "{state:?}: {message}"
            );
            assert_eq!(cell.state(), Failed);
            let failure = cell.failure().expect("a cause");
            assert_eq!(failure.kind(), FailureKind::Panicked);
        }
    }
}

#[test]
fn a_start_cannot_store_running() {
    #[cancel_guarded(start, state = cell)]
    async fn stores(
        cell: &StateCell,
        shutdown: CancellationToken,
        state: Lifecycle,
    ) -> Result<(), StartError> {
        cell.store(state);
        Ok(())
    }

    let cell = StateCell::new();
    let message = panic_message(|| {
        let _ = now(stores(&cell, CancellationToken::new(), Running));
    });
    let message = message.expect("it panics");
    assert!(message.contains("#[cancel_guarded(run, ..)]"), "{message}");
    assert_eq!(cell.state(), Failed);
}

/// A step of its own that a service announces with a role beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial)]
    Down,
    #[state(starting)]
    Opening,
    Migrating,
    #[state(running)]
    Up,
    Busy,
    #[state(stopping)]
    Draining,
    #[state(stopped)]
    Closed,
    #[state(failed)]
    Broken,
}

#[test]
fn own_steps_come_before_and_after_publication() {
    #[cancel_guarded(run, state = cell)]
    async fn steps(
        cell: &StateCell<Phase>,
        shutdown: CancellationToken,
        seen: &Log<Phase>,
    ) -> Result<(), StartError> {
        for step in [Phase::Migrating, Phase::Up, Phase::Busy, Phase::Up] {
            cell.store(step);
            seen.push(cell.state());
        }
        cell.store(Phase::Busy);
        shutdown.cancelled().await;
        cell.store(Phase::Up);
        seen.push(cell.state());
        Ok(())
    }

    let (cell, seen) = (StateCell::new(), Log::default());
    let token = CancellationToken::new();
    let mut run = task::spawn(steps(&cell, token.clone(), &seen));
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Phase::Busy);
    assert!(!cell.is_running());
    assert_eq!(now(cell.running()), Ok(()), "it is published");
    token.cancel();
    assert_eq!(cell.state(), Phase::Draining, "inside cancel()");
    assert_ready_ok!(run.poll());
    assert_eq!(
        seen.all(),
        [
            Phase::Migrating,
            Phase::Up,
            Phase::Busy,
            Phase::Up,
            Phase::Draining
        ]
    );
    assert_eq!(cell.state(), Phase::Closed);
}

/// A body that neither stores `RUNNING` nor asks for a publisher is up as soon as it begins.
#[cancel_guarded(run, state = cell)]
async fn up_at_once(
    cell: &StateCell,
    shutdown: CancellationToken,
    seen: &Log<Lifecycle>,
) -> Result<(), StartError> {
    seen.push(cell.state());
    shutdown.cancelled().await;
    seen.push(cell.state());
    Ok(())
}

#[test]
fn without_a_store_it_is_published_at_entry() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let token = CancellationToken::new();
    let mut running = task::spawn(cell.running());
    assert_pending!(running.poll());
    let mut run = task::spawn(up_at_once(&cell, token.clone(), &seen));
    assert_pending!(run.poll());
    assert!(running.is_woken());
    assert_ready_ok!(running.poll());
    assert_eq!(cell.state(), Running);
    token.cancel();
    assert_ready_ok!(run.poll());
    assert_eq!(seen.all(), [Running, Stopping]);
    assert_eq!(cell.state(), Stopped);
}

/// A service that is switched off is over, and was never up.
#[test]
fn a_success_without_publication_stops() {
    #[cancel_guarded(run, state = cell)]
    async fn optional(
        cell: &StateCell,
        shutdown: CancellationToken,
        is_on: bool,
    ) -> Result<(), StartError> {
        if !is_on {
            return Ok(());
        }
        cell.store(Running);
        shutdown.cancelled().await;
        Ok(())
    }

    let cell = StateCell::new();
    let mut running = task::spawn(cell.running());
    assert_pending!(running.poll());
    assert_eq!(
        now(optional(&cell, CancellationToken::new(), false)),
        Ok(())
    );
    assert_eq!(cell.state(), Stopped);
    assert_eq!(cell.failure(), None);
    let error = assert_ready_err!(running.poll());
    assert_eq!(error.failure(), None);
    assert_eq!(now(cell.stopped()), Ok(()));
}

/// A callee that knows when the service is up gets a publisher.
#[cancel_guarded(run, state = cell)]
async fn hands_its_publisher_down(
    cell: &StateCell,
    shutdown: CancellationToken,
    bound: oneshot::Receiver<()>,
) -> Result<(), StartError> {
    let up = cell.publisher();
    listen(up, bound).await;
    shutdown.cancelled().await;
    Ok(())
}

async fn listen(up: Publisher, bound: oneshot::Receiver<()>) {
    if bound.await.is_ok() {
        up.publish();
    }
}

#[test]
fn a_publisher_publishes_from_a_callee() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let (bind, bound) = oneshot::channel();
    let mut run = task::spawn(hands_its_publisher_down(&cell, token.clone(), bound));
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Starting);
    bind.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Running);
    token.cancel();
    assert_ready_ok!(run.poll());
    assert_eq!(cell.state(), Stopped);
}

#[test]
fn a_publisher_publishes_nothing_after_a_cancellation() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let attempt = cell.begin(&token).expect("it begins");
    let mut run = task::spawn(attempt.run(async |_, up: Publisher<Lifecycle>| {
        token.cancel();
        assert!(!up.publish());
        Ok::<_, StartError>(())
    }));
    assert_ready_ok!(run.poll());
    assert_eq!(cell.state(), Failed);
}

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;
type Slot = RefCell<Option<task::Spawn<Served<Lifecycle, Ending>>>>;

/// Serves a future, publishes, and returns before the future ends.
#[cancel_guarded(run, state = cell)]
async fn serves_and_ends(
    cell: &StateCell,
    shutdown: CancellationToken,
    part: Remnant,
    slot: &Slot,
    end: Ending,
) -> Result<(), TestError> {
    *slot.borrow_mut() = Some(task::spawn(cell.serve(end)));
    cell.store(Running);
    let _part = part;
    Ok(())
}

/// The call returns with the body. The service goes on with what else serves.
#[test]
fn stopped_waits_for_body_and_served_future() {
    let (cell, slot, seen) = (StateCell::new(), RefCell::new(None), Log::default());
    let (end, on_end) = oneshot::channel::<()>();
    let ended: Ending = Box::pin(async { drop(on_end.await) });
    let part = Remnant::of(&cell, &seen);
    let ran = now(serves_and_ends(
        &cell,
        CancellationToken::new(),
        part,
        &slot,
        ended,
    ));
    assert_eq!(ran, Ok(()));
    assert_eq!(seen.all(), [Running], "its body is gone");
    assert_eq!(cell.state(), Running, "one served future is left");
    let mut served = slot.take().expect("served");
    assert_pending!(served.poll());
    end.send(()).expect("it listens");
    assert_ready_eq!(served.poll(), Some(()));
    assert_eq!(cell.state(), Stopped);
}

/// The body serves too: the end of its served future alone does not stop the service.
#[test]
fn the_end_of_its_served_future_leaves_the_body_running() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let token = CancellationToken::new();
    let mut run = task::spawn(daemon.run(token.clone(), set_up, drained));
    assert_pending!(run.poll());
    let served = daemon.state.serve(async {});
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert_eq!(now(served), Some(()));
    assert_eq!(daemon.state.state(), Running);
    assert!(!run.is_woken());
    token.cancel();
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_ok!(run.poll());
    assert_eq!(daemon.state.state(), Stopped);
}

/// A client that is left keeps the service in `Stopping`, with the call returned.
#[test]
fn a_run_returns_while_its_clients_drain() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let token = CancellationToken::new();
    let mut run = task::spawn(up_at_once(&cell, token.clone(), &seen));
    assert_pending!(run.poll());
    let mut client = task::spawn(cell.track(token.clone().cancelled_owned()));
    assert_pending!(client.poll());
    token.cancel();
    assert_ready_ok!(run.poll());
    assert_eq!(cell.state(), Stopping);
    assert_ready_eq!(client.poll(), Some(()));
    assert_eq!(cell.state(), Stopped);
}

/// Serves a future, publishes, and fails.
#[cancel_guarded(run, state = cell)]
async fn serves_and_fails(
    cell: &StateCell,
    shutdown: CancellationToken,
    slot: &Slot,
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
    let mut served = slot.take().expect("served");
    assert_ready_eq!(served.poll(), Some(()), "it was told");
    assert_eq!(cell.state(), Failed);
    assert_eq!(cell.failure().expect("a cause").to_string(), "body");
}

/// The body learns that a served future has failed.
#[test]
fn a_served_error_ends_the_body() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), set_up, drained));
    assert_pending!(run.poll());
    let served = daemon.state.serve(ready(Err::<(), _>("port lost")));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    assert_eq!(now(served), Some(Err("port lost")));
    assert_eq!(daemon.state.state(), Stopping);
    assert!(run.is_woken());
    assert_pending!(run.poll(), "it drains");
    outside.drained.send(Ok(())).expect("it listens");
    assert_ready_ok!(run.poll());
    assert_eq!(
        daemon.cause(),
        Some((FailureKind::Error, "port lost".to_owned()))
    );
}

/// Runs, with a step that nothing interrupts.
#[cancel_guarded(run, state = cell)]
async fn with_a_shielded_step(
    cell: &StateCell,
    shutdown: CancellationToken,
    step: oneshot::Receiver<()>,
) -> Result<(), StartError> {
    cell.store(Running);
    #[shielded]
    let _ = step.await;
    pending::<()>().await;
    Ok(())
}

#[test]
fn an_abort_drops_the_body_after_a_shielded_step() {
    let cell = StateCell::new();
    let (end, step) = oneshot::channel();
    let mut run = task::spawn(with_a_shielded_step(&cell, CancellationToken::new(), step));
    assert_pending!(run.poll());
    cell.abort();
    assert_pending!(run.poll(), "the step is not interrupted");
    assert_eq!(cell.state(), Stopping);
    end.send(()).expect("it listens");
    assert!(run.is_woken());
    let error = assert_ready_err!(run.poll());
    let StartError::Failed(failure) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert_eq!(cell.state(), Failed);
    assert_eq!(cell.failure(), Some(failure));
}

#[test]
fn an_abort_only_tells_a_shielded_run() {
    let daemon = Daemon::default();
    let (outside, set_up, _) = channels();
    let mut run = task::spawn(daemon.run_shielded(CancellationToken::new(), set_up));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    daemon.state.abort();
    assert!(run.is_woken());
    assert_ready_eq!(run.poll(), Ok("drained"));
    assert_eq!(daemon.state.state(), Stopped);
}

#[test]
fn it_runs_again_once_it_is_over_unless_it_was_told_to_stop() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let run = || store_all(&cell, CancellationToken::new(), &[Running], &seen);
    assert_eq!(now(run()), Ok(()));
    assert_eq!(now(run()), Ok(()));
    assert_eq!(seen.all(), [Running; 2]);
    cell.request_stop();
    let refused = TestError::Refused(StartError::StopRequested);
    assert_eq!(now(run()), Err(refused));
    assert!(cell.rearm());
    assert_eq!(now(run()), Ok(()));
}

#[test]
fn at_most_one_run_at_a_time() {
    let daemon = Daemon::default();
    let (outside, set_up, drained) = channels();
    let mut run = task::spawn(daemon.run(CancellationToken::new(), set_up, drained));
    outside.set_up.send(()).expect("it listens");
    assert_pending!(run.poll());
    let (_outside, set_up, drained) = channels();
    let second = daemon.run(CancellationToken::new(), set_up, drained);
    assert_eq!(now(second), Err(not_startable("Running")));
    assert_eq!(daemon.state.state(), Running);
}

/// Without a cell there is nothing to publish. The entry is guarded, and nothing else.
#[test]
fn without_state_only_the_entry_is_guarded() {
    #[cancel_guarded(run)]
    async fn serves(
        shutdown: CancellationToken,
        work: oneshot::Receiver<()>,
    ) -> Result<&'static str, StartError> {
        let _ = work.await;
        shutdown.cancelled().await;
        Ok("drained")
    }

    let token = CancellationToken::new();
    let (end, work) = oneshot::channel();
    let mut run = task::spawn(serves(token.clone(), work));
    assert_pending!(run.poll());
    token.cancel();
    assert_pending!(run.poll(), "it is not interrupted");
    end.send(()).expect("it listens");
    assert_ready_eq!(run.poll(), Ok("drained"));

    let (_end, work) = oneshot::channel();
    assert_eq!(now(serves(token, work)), Err(StartError::Cancelled));
}

/// A function that blocks its thread is not interrupted. It is the service until it returns.
#[test]
fn a_sync_run_returns_when_its_service_is_over() {
    #[cancel_guarded(run, state = cell)]
    fn serves(
        cell: &StateCell,
        shutdown: CancellationToken,
        jobs: Receiver<u32>,
    ) -> Result<u32, StartError> {
        let sum = jobs.iter().sum();
        assert!(shutdown.is_cancelled());
        Ok(sum)
    }

    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let (send, jobs) = mpsc::channel();
    let sum = thread::scope(|scope| {
        let running = cell.running();
        let run = scope.spawn(|| serves(&cell, token.clone(), jobs));
        futures::executor::block_on(running).expect("it is published at entry");
        token.cancel();
        assert_eq!(cell.state(), Stopping, "inside cancel()");
        send.send(7).expect("it listens");
        drop(send);
        run.join().expect("no panic")
    });
    assert_eq!(sum, Ok(7));
    assert_eq!(cell.state(), Stopped);
    let refused = serves(&StateCell::new(), token, mpsc::channel().1);
    assert_eq!(refused, Err(StartError::Cancelled));
}

/// A client that stops the service that it belongs to asks, and does not wait.
#[test]
fn a_part_may_ask_its_service_to_stop() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let mut run = task::spawn(up_at_once(&cell, CancellationToken::new(), &seen));
    assert_pending!(run.poll());
    let client = cell.track({
        let cell = cell.clone();
        async move { assert!(cell.request_stop()) }
    });
    assert_eq!(now(client), Some(()));
    assert!(run.is_woken());
    assert_ready_ok!(run.poll());
    assert_eq!(cell.state(), Stopped);
}

/// Publishes when `go` is sent.
#[cancel_guarded(run, state = cell)]
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

/// If another waker panics inside `cancel()`, the cell is never woken. The flag of the token is set,
/// and the body does not publish.
#[test]
fn a_missed_wake_publishes_nothing() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let bad = on_wake(|| panic!("a bad waker"));
    let _wait = pending_with(&bad, token.cancelled());
    let (send, go) = oneshot::channel();
    let mut run = task::spawn(publishes(&cell, token.clone(), go));
    assert_pending!(run.poll());
    assert!(
        panic_message(|| token.cancel()).is_some(),
        "out of cancel()"
    );
    token.cancel();
    send.send(()).expect("it listens");
    assert_ready_eq!(run.poll(), Err(CANCELLED));
    assert_eq!(cell.state(), Failed);
}

/// The commit at the end of a start reads the flag, too.
#[test]
fn a_missed_wake_commits_nothing() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let bad = on_wake(|| panic!("a bad waker"));
    let _wait = pending_with(&bad, token.cancelled());
    let (send, go) = oneshot::channel::<()>();
    let mut start =
        task::spawn(service.start(token.clone(), async { go.await.map_err(|_| CLOSED) }));
    assert_pending!(start.poll());
    assert!(
        panic_message(|| token.cancel()).is_some(),
        "out of cancel()"
    );
    send.send(()).expect("it listens");
    assert_ready_eq!(start.poll(), Err(CANCELLED));
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

/// After the body has ended, the cell holds no waker of the task that polled it.
#[test]
fn the_end_of_the_body_drops_its_waker() {
    let cell = StateCell::new();
    let seen = Log::default();
    let token = CancellationToken::new();
    let held = Arc::new(());
    let task = on_wake({
        let held = Arc::clone(&held);
        move || assert!(Arc::strong_count(&held) > 1)
    });
    let mut run = pending_with(&task, up_at_once(&cell, token.clone(), &seen));
    drop(task);
    assert!(
        Arc::strong_count(&held) > 1,
        "an abort has to wake that task"
    );
    let _client = cell.track(pending::<()>());
    token.cancel();
    let poll_again = poll_fn(|cx| match run.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result.is_ok()),
        Poll::Pending => Poll::Ready(false),
    });
    assert!(now(poll_again));
    drop(run);
    assert_eq!(cell.state(), Stopping, "a client is left");
    assert_eq!(Arc::strong_count(&held), 1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Step {
    #[state(initial)]
    New,
    #[state(starting)]
    Opening,
    #[state(running)]
    Up,
    Reloading,
    #[state(stopping)]
    Closing,
    #[state(stopped, failed)]
    Over,
}

/// Stores a step of its own. The attribute cannot see that it is not the state that is RUNNING.
#[cancel_guarded(run, state = cell)]
async fn reloads(cell: &StateCell<Step>, shutdown: CancellationToken) -> Result<(), StartError> {
    cell.store(Step::Reloading);
    shutdown.cancelled().await;
    Ok(())
}

#[test]
fn stores_of_own_steps_alone_publish_at_entry() {
    let (cell, token) = (StateCell::<Step>::new(), CancellationToken::new());
    let running = cell.running();
    let mut run = task::spawn(reloads(&cell, token.clone()));
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Step::Reloading);
    assert!(now(running).is_ok());
    token.cancel();
    assert_ready_ok!(run.poll());
    assert_eq!(cell.state(), Step::Over);
}
