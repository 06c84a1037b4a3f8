//! The result of a start and the state of its cell, for every way that a start can end.

use std::future::pending;
use std::sync::Arc;
use std::task::Poll;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, FAILED, Flag, Service, TestError, not_startable, now, panic_message, running_service,
};
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

/// Cancels its token and then fails, without another await.
#[cancel_guarded(state = cell)]
async fn times_out(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
    shutdown.cancel();
    Err(TestError::Own("timed out"))
}

#[test]
fn body_fails_while_it_is_cancelled() {
    let cell = StateCell::new();
    let failed = now(times_out(&cell, CancellationToken::new()));
    assert_eq!(failed, Err(TestError::Own("timed out")), "its own error");
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(
        cell.failure().map(|failure| failure.kind()),
        Some(FailureKind::Cancelled),
        "the first cause stays: a cancel is not reported as a timeout"
    );
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
    assert_eq!(assert_ready!(start.poll()), Err(FAILED));
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
    assert_eq!(assert_ready!(start.poll()), Err(FAILED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(kind(&service), Some(FailureKind::Dropped));
}

#[test]
fn cancelled_after_publication() {
    let (service, token) = running_service();
    token.cancel();
    assert_eq!(
        service.state.state(),
        Lifecycle::Stopping,
        "inside cancel()"
    );
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

/// Cancels its token, awaits, and records whether the next line runs.
#[cancel_guarded(state = cell)]
async fn goes_on(
    cell: &StateCell,
    shutdown: CancellationToken,
    went_on: &Flag,
) -> Result<(), TestError> {
    shutdown.cancel();
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
#[cancel_guarded(shielded)]
async fn shielded(shutdown: CancellationToken, go_on: &Flag) -> Result<u8, TestError> {
    shutdown.cancel();
    std::future::ready(()).await;
    go_on.set();
    Ok(7)
}

#[test]
fn shielded_without_state_guards_the_entry() {
    let went_on = Flag::default();
    let token = CancellationToken::new();
    assert_eq!(now(shielded(token.clone(), &went_on)), Ok(7), "as it is");
    assert!(went_on.is_set());
    token.cancel();
    assert_eq!(now(shielded(token, &Flag::default())), Err(CANCELLED));
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
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert_eq!(
        now(service.start()),
        Err(StartError::NotStartable { state: "Stopping" })
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
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert_eq!(now(service.start_by(&token)), None, "refused");
}

#[test]
fn a_start_is_pending_while_its_body_is() {
    let service = Service::new();
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut start = task::spawn(service.start(CancellationToken::new(), async {
        receive.await.map_err(|_| TestError::Own("closed"))
    }));
    assert_pending!(start.poll());
    send.send(3).expect("the body listens");
    assert!(start.is_woken(), "the body's own waker is the task's");
    assert_eq!(start.poll(), Poll::Ready(Ok(3)));
    assert!(!start.is_woken(), "publication does not wake it");
}
