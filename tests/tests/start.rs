//! The result of a start and the state of its cell, for every way that a start can end.

use std::future::{Future, pending};
use std::sync::Arc;
use std::task::Poll;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Flag, Service, TestError, failed, not_startable, now, panic_message, running_service,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

fn kind(service: &Service) -> Option<FailureKind> {
    service.state.failure().map(|failure| failure.kind())
}

#[test]
fn cell_not_startable() {
    let (service, _token) = running_service();
    let polled = Flag::default();
    let second = now(service.start(CancellationToken::new(), async {
        polled.set();
        Ok(())
    }));
    assert_eq!(second, Err(not_startable("Running")));
    assert!(
        !polled.is_set(),
        "the body of a refused start is never polled"
    );
    assert_eq!(service.state.state(), Lifecycle::Running, "untouched");
    assert_eq!(kind(&service), None, "no cause recorded");
}

#[test]
fn the_cell_was_told_to_stop() {
    let service = Service::new();
    assert!(service.state.request_stop());
    let polled = Flag::default();
    let refused = now(service.restart(CancellationToken::new(), async {
        polled.set();
        Ok(())
    }));
    assert_eq!(refused, Err(TestError::Refused(StartError::StopRequested)));
    assert!(!polled.is_set(), "the body is never polled");
    assert_eq!(service.state.state(), Lifecycle::Stopped, "untouched");
    assert!(now(service.state.running()).is_err(), "at once");

    assert!(service.state.rearm());
    assert_eq!(
        now(service.restart(CancellationToken::new(), async { Ok(()) })),
        Ok(())
    );
}

#[test]
fn token_cancelled_at_entry() {
    let service = Service::new();
    let token = CancellationToken::new();
    token.cancel();
    let polled = Flag::default();
    let refused = now(service.start(token, async {
        polled.set();
        Ok(())
    }));
    assert_eq!(refused, Err(CANCELLED));
    assert!(!polled.is_set(), "the body is never polled");
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(kind(&service), Some(FailureKind::Cancelled));
}

#[test]
fn body_succeeds_uncancelled() {
    let service = Service::new();
    let started = now(service.start(CancellationToken::new(), async { Ok(7) }));
    assert_eq!(started, Ok(7));
    assert_eq!(service.state.state(), Lifecycle::Running);
    assert!(service.state.is_running());
    assert_eq!(kind(&service), None);
}

#[test]
fn body_succeeds_but_cancellation_won() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(service.start(token.clone(), async {
        token.cancel();
        Ok(7)
    }));
    assert_eq!(refused, Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(kind(&service), Some(FailureKind::Cancelled));
}

#[test]
fn cancelled_at_an_await() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(start.poll(), "the body waits");
    assert_eq!(service.state.state(), Lifecycle::Starting);

    token.cancel();
    assert!(start.is_woken(), "cancel() wakes the start");
    assert_eq!(
        service.state.state(),
        Lifecycle::Starting,
        "until no part is left"
    );
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(kind(&service), Some(FailureKind::Cancelled));
}

#[test]
fn body_fails() {
    let service = Service::new();
    let failed = now(service.start::<()>(CancellationToken::new(), async {
        Err(TestError::Own("port in use"))
    }));
    assert_eq!(failed, Err(TestError::Own("port in use")));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a failed start has a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "port in use");
}

/// Cancels the token of its caller and then fails, without another await.
#[cancel_guarded(start, state = cell, caller = root)]
async fn times_out(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
    root.cancel();
    assert!(shutdown.is_cancelled(), "it is a child");
    Err(TestError::Own("timed out"))
}

/// The error is what the caller gets, so the cell says the same.
#[test]
fn body_fails_while_it_is_cancelled() {
    let cell = StateCell::new();
    let failed = now(times_out(&cell, CancellationToken::new()));
    assert_eq!(failed, Err(TestError::Own("timed out")), "its own error");
    assert_eq!(cell.state(), Lifecycle::Failed);
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "timed out");
    assert!(failure.was_told_to_end(), "the cancellation is told, too");
}

/// Has one step that is not interrupted, and ends in it.
#[cancel_guarded(state = cell)]
async fn migrates(
    cell: &StateCell,
    shutdown: CancellationToken,
    step: impl Future<Output = Result<(), TestError>>,
) -> Result<(), TestError> {
    #[shielded]
    step.await?;
    pending().await
}

/// Otherwise a supervisor reads `Cancelled`, and the corrupt table is in no log.
#[test]
fn a_shielded_step_that_fails_after_a_cancel_is_the_cause() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let (corrupt, found) = oneshot::channel();
    let mut start = task::spawn(migrates(&cell, token.clone(), async {
        found.await.map_err(|_| TestError::Own("closed"))?
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert_pending!(start.poll(), "the step goes on");
    assert_eq!(cell.failure(), None, "the cause is not fixed yet");
    let error = TestError::Own("table 7 is corrupt");
    corrupt.send(Err(error.clone())).expect("the step waits");
    assert_eq!(assert_ready!(start.poll()), Err(error));
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "table 7 is corrupt");
    assert!(failure.was_told_to_end());
}

#[test]
fn a_shielded_step_that_panics_after_a_cancel_is_the_cause() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let (go, wait) = oneshot::channel::<()>();
    let mut start = task::spawn(migrates(&cell, token.clone(), async {
        let _ = wait.await;
        panic!("invariant broken")
    }));
    assert_pending!(start.poll());
    token.cancel();
    go.send(()).expect("the step waits");
    let message = panic_message(|| {
        let _ = start.poll();
    });
    assert_eq!(message.as_deref(), Some("invariant broken"));
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Panicked);
    assert_eq!(failure.to_string(), "panicked: invariant broken");
}

#[test]
fn a_shielded_step_that_succeeds_after_a_cancel_is_the_last() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let (go, wait) = oneshot::channel();
    let mut start = task::spawn(migrates(&cell, token.clone(), async {
        wait.await.map_err(|_| TestError::Own("closed"))
    }));
    assert_pending!(start.poll());
    token.cancel();
    go.send(()).expect("the step waits");
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

#[test]
fn body_panics() {
    let service = Service::new();
    let message = panic_message(|| {
        let start = service.start::<()>(CancellationToken::new(), async { panic!("no config") });
        let _ = now(start);
    });
    assert_eq!(message.as_deref(), Some("no config"), "the panic unwinds");
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a panic is a cause");
    assert_eq!(failure.kind(), FailureKind::Panicked);
    assert_eq!(failure.to_string(), "panicked: no config");
}

#[test]
fn dropped_after_its_first_poll() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    drop(start);
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(kind(&service), Some(FailureKind::Dropped));
}

#[test]
fn dropped_before_its_first_poll() {
    let service = Service::new();
    drop(service.start::<()>(CancellationToken::new(), pending()));
    assert_eq!(service.state.state(), Lifecycle::Created, "untouched");
    assert_eq!(kind(&service), None);
}

#[test]
fn fail_during_the_start() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    assert!(service.state.fail("disk full"), "the first cause");
    assert!(!service.state.fail("later"), "the first cause stays");
    assert!(start.is_woken(), "fail wakes the start");
    assert_eq!(assert_ready!(start.poll()), Err(failed("disk full")));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "disk full");
}

#[test]
fn a_served_future_lost_during_the_start() {
    let service = Service::new();
    let cell = service.state.clone();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), async move {
        drop(cell.serve(async {}));
        pending().await
    }));
    let refused = assert_ready!(start.poll());
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Dropped);
    let cause = StartError::Failed(failure);
    assert_eq!(refused, Err(TestError::Refused(cause)), "the same cause");
}

#[test]
fn cancelled_after_publication() {
    let (service, token) = running_service();
    token.cancel();
    assert_eq!(
        service.state.state(),
        Lifecycle::Stopped,
        "inside cancel(), because nothing is served"
    );

    let (service, token) = (Service::new(), CancellationToken::new());
    let guard = now(service.start(token.clone(), async { Ok(service.state.serve_guard()) }));
    token.cancel();
    assert_eq!(
        service.state.state(),
        Lifecycle::Stopping,
        "inside cancel(), and a part is left"
    );
    drop(guard);
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

#[cancel_guarded(state = cell)]
async fn finds(cell: &StateCell, shutdown: CancellationToken) -> Option<u8> {
    None
}

#[test]
fn none_is_a_failure() {
    let cell = StateCell::new();
    assert_eq!(now(finds(&cell, CancellationToken::new())), None);
    assert_eq!(cell.state(), Lifecycle::Failed);
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert_eq!(failure.to_string(), "returned None");
}

#[test]
fn the_next_start_clears_the_failure() {
    let service = Service::new();
    let failed = now(service.start::<()>(CancellationToken::new(), async {
        Err(TestError::Own("port in use"))
    }));
    assert!(failed.is_err());
    let mut again = task::spawn(service.restart::<()>(CancellationToken::new(), pending()));
    assert_pending!(again.poll());
    assert_eq!(kind(&service), None, "the last attempt has not failed");
}

/// Cancels its caller's token, awaits, and records whether the next line runs.
#[cancel_guarded(state = cell, caller = root)]
async fn goes_on(
    cell: &StateCell,
    shutdown: CancellationToken,
    went_on: &Flag,
) -> Result<(), TestError> {
    root.cancel();
    std::future::ready(()).await;
    went_on.set();
    Ok(())
}

#[test]
fn the_next_line_does_not_run_after_a_cancel() {
    let (cell, went_on) = (StateCell::new(), Flag::default());
    let refused = now(goes_on(&cell, CancellationToken::new(), &went_on));
    assert_eq!(refused, Err(CANCELLED));
    assert!(!went_on.is_set(), "although the await was ready");
}

/// The token comes in another form, and the body does not name it.
#[cancel_guarded(state = cell)]
async fn by_option(cell: &StateCell, shutdown: Option<CancellationToken>) -> Option<()> {
    pending().await
}

#[cancel_guarded(state = cell)]
async fn by_arc(cell: &StateCell, shutdown: Arc<CancellationToken>) -> Option<()> {
    pending().await
}

/// A user's type that implements `AsToken`.
mod own {
    pub(super) struct CancellationToken(pub(super) cancel_guarded::CancellationToken);

    impl cancel_guarded::AsToken for CancellationToken {
        fn as_token(&self) -> Option<&cancel_guarded::CancellationToken> {
            Some(&self.0)
        }
    }
}

#[cancel_guarded(state = cell)]
async fn by_own(cell: &StateCell, shutdown: own::CancellationToken) -> Option<()> {
    pending().await
}

#[test]
fn an_unnamed_token_guards_in_any_form() {
    let token = CancellationToken::new();
    let cells = [StateCell::new(), StateCell::new(), StateCell::new()];
    let mut option = task::spawn(by_option(&cells[0], Some(token.clone())));
    let mut arc = task::spawn(by_arc(&cells[1], Arc::new(token.clone())));
    let mut own = task::spawn(by_own(&cells[2], own::CancellationToken(token.clone())));
    assert_pending!(option.poll());
    assert_pending!(arc.poll());
    assert_pending!(own.poll());
    token.cancel();
    assert_eq!(assert_ready!(option.poll()), None, "refused");
    assert_eq!(assert_ready!(arc.poll()), None, "refused");
    assert_eq!(assert_ready!(own.poll()), None, "refused");

    let cell = StateCell::new();
    let mut unguarded = task::spawn(by_option(&cell, None));
    assert_pending!(unguarded.poll(), "None is never cancelled");
}

/// Is shielded as a whole, and has no cell.
#[cancel_guarded(shielded, caller = root)]
async fn shielded(shutdown: CancellationToken, went_on: &Flag) -> Result<u8, TestError> {
    root.cancel();
    std::future::ready(()).await;
    went_on.set();
    Ok(7)
}

#[test]
fn shielded_without_state_guards_entry_and_return() {
    let went_on = Flag::default();
    let token = CancellationToken::new();
    assert_eq!(now(shielded(token.clone(), &went_on)), Err(CANCELLED));
    assert!(went_on.is_set(), "no await is interrupted");

    let went_on = Flag::default();
    assert!(token.is_cancelled());
    assert_eq!(now(shielded(token, &went_on)), Err(CANCELLED));
    assert!(!went_on.is_set(), "the body is never polled");
}

/// Runs until it is over, and has no cell.
#[cancel_guarded(run, caller = root)]
async fn runs(shutdown: CancellationToken) -> Result<u8, TestError> {
    root.cancel();
    shutdown.cancelled().await;
    Ok(7)
}

#[test]
fn a_run_without_state_guards_the_entry() {
    let token = CancellationToken::new();
    assert_eq!(now(runs(token.clone())), Ok(7), "its own value");
    assert!(token.is_cancelled());
    assert_eq!(now(runs(token)), Err(CANCELLED));
}

/// Has no cell, and an `on_refused`.
#[cancel_guarded(on_refused = |error| Err(format!("quiet: {error}")))]
async fn stateless(shutdown: CancellationToken, polled: &Flag) -> Result<u8, String> {
    polled.set();
    pending::<()>().await;
    Ok(1)
}

#[test]
fn a_start_without_state_is_guarded() {
    let polled = Flag::default();
    let token = CancellationToken::new();
    {
        let mut start = task::spawn(stateless(token.clone(), &polled));
        assert_pending!(start.poll());
        token.cancel();
        assert!(start.is_woken());
        let refused = assert_ready!(start.poll()).expect_err("refused");
        assert!(refused.starts_with("quiet: start refused"), "{refused}");
    }
    let polled = Flag::default();
    assert!(now(stateless(token, &polled)).is_err());
    assert!(!polled.is_set(), "entry is guarded");
}

/// Takes the token by reference or from a field, and the cell from a method.
struct ByReference {
    state: StateCell,
    shutdown: CancellationToken,
}

impl ByReference {
    fn cell(&self) -> &StateCell {
        &self.state
    }

    #[cancel_guarded(state = self.cell(), token = self.shutdown)]
    async fn start(&mut self) -> Result<(), StartError> {
        Ok(())
    }

    #[cancel_guarded(state = self.state)]
    async fn start_by(&self, shutdown: &CancellationToken) -> Option<bool> {
        Some(shutdown.is_cancelled())
    }
}

#[test]
fn token_and_state_as_expressions() {
    let mut service = ByReference {
        state: StateCell::new(),
        shutdown: CancellationToken::new(),
    };
    assert_eq!(now(service.start()), Ok(()));
    service.shutdown.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert_eq!(
        now(service.start()),
        Err(StartError::NotStartable { state: "Stopped" })
    );
}

#[cancel_guarded(state = cell)]
async fn by_shared_cell(
    cell: Arc<StateCell>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    Ok(())
}

#[test]
fn a_cell_in_an_arc() {
    let cell = Arc::new(StateCell::new());
    let started = now(by_shared_cell(Arc::clone(&cell), CancellationToken::new()));
    assert_eq!(started, Ok(()));
    assert!(cell.is_running(), "the same cell");
}

#[test]
fn token_by_reference() {
    let service = ByReference {
        state: StateCell::new(),
        shutdown: CancellationToken::new(),
    };
    let token = CancellationToken::new();
    assert_eq!(now(service.start_by(&token)), Some(false));
    token.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert_eq!(now(service.start_by(&token)), None, "refused");
}

#[test]
fn a_start_is_pending_while_its_body_is() {
    let service = Service::new();
    let (send, receive) = oneshot::channel();
    let mut start = task::spawn(service.start(CancellationToken::new(), async {
        receive.await.map_err(|_| TestError::Own("closed"))
    }));
    assert_pending!(start.poll());
    send.send(3).expect("the body listens");
    assert!(start.is_woken(), "the body's own waker is the task's");
    assert_eq!(start.poll(), Poll::Ready(Ok(3)));
    assert!(!start.is_woken(), "publication does not wake it");
}

/// A start may move between tasks before it is cancelled.
#[test]
fn the_task_that_polled_last_is_woken() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = Box::pin(service.start::<()>(token.clone(), pending()));
    let mut first = task::spawn(start.as_mut());
    assert_pending!(first.poll());
    drop(first);
    let mut second = task::spawn(start.as_mut());
    assert_pending!(second.poll());
    token.cancel();
    assert!(second.is_woken());
    assert_eq!(assert_ready!(second.poll()), Err(CANCELLED));
}

#[test]
fn a_refusal_is_an_io_error() {
    let refused = std::io::Error::from(StartError::StopRequested);
    let source = refused.get_ref().expect("an error of ours");
    assert_eq!(
        source.downcast_ref::<StartError>(),
        Some(&StartError::StopRequested)
    );
}

/// Has two tokens, and guards by the second.
#[cancel_guarded(state = cell, token = stop)]
async fn by_second(
    cell: &StateCell,
    other: CancellationToken,
    stop: CancellationToken,
) -> Result<[CancellationToken; 2], StartError> {
    Ok([other, stop])
}

#[test]
fn the_token_that_is_named_is_a_child_in_the_body() {
    let cell = StateCell::new();
    let (other, stop) = (CancellationToken::new(), CancellationToken::new());
    let [in_body_other, in_body_stop] =
        now(by_second(&cell, other.clone(), stop.clone())).expect("starts");
    in_body_other.cancel();
    assert!(other.is_cancelled(), "it is the caller's own");
    assert!(cell.is_running(), "it guards nothing");
    in_body_stop.cancel();
    assert!(!stop.is_cancelled(), "it is a child");
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

/// A start that is guarded by an expression has an own token as well.
#[test]
fn whoever_holds_the_cell_has_the_own_token() {
    let mut service = ByReference {
        state: StateCell::new(),
        shutdown: CancellationToken::new(),
    };
    assert!(service.state.token().is_none(), "no attempt is under way");
    now(service.start()).expect("starts");
    let own = service.state.token().expect("an attempt is under way");
    own.cancel();
    assert!(!service.shutdown.is_cancelled());
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert!(service.state.token().is_none(), "it is over");
}
