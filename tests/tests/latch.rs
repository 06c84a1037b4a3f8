//! G7: a cell that was told to stop begins nothing until it is rearmed.

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

fn start(cell: &StateCell) -> Result<(), StartError> {
    let attempt = cell.begin_again(&CancellationToken::new())?;
    attempt.start_sync(|_| Ok(()))
}

#[test]
fn a_cell_that_was_told_to_stop_before_it_began_stays_down() {
    let cell: StateCell = StateCell::new();
    assert!(cell.request_stop());
    assert_eq!(cell.state(), Lifecycle::Stopped);
    assert_eq!(start(&cell), Err(StartError::StopRequested));
    assert_eq!(cell.state(), Lifecycle::Stopped, "it is untouched");
}

#[test]
fn every_stop_latches() {
    for stop in [
        |cell: &StateCell| assert!(cell.request_stop()),
        |cell: &StateCell| assert_ready_ok!(task::spawn(cell.stop()).poll()),
        |cell: &StateCell| {
            assert_ready_ok!(task::spawn(cell.stop_or_abort(std::future::pending::<()>())).poll());
        },
        |cell: &StateCell| cell.abort(),
    ] {
        let cell: StateCell = StateCell::new();
        start(&cell).expect("it begins");
        stop(&cell);
        assert!(cell.stop_requested());
        assert_eq!(start(&cell), Err(StartError::StopRequested));
    }
}

#[test]
fn a_token_and_a_transition_and_a_failure_do_not_latch() {
    for end in [
        |cell: &StateCell| cell.token().expect("it runs").cancel(),
        |cell: &StateCell| {
            let stopping = cell.transition(Lifecycle::Running, Lifecycle::Stopping);
            stopping.expect("it runs");
        },
        |cell: &StateCell| assert!(cell.fail("disk full")),
    ] {
        let cell: StateCell = StateCell::new();
        start(&cell).expect("it begins");
        end(&cell);
        assert!(!cell.stop_requested());
        start(&cell).expect("it begins again");
    }
}

#[test]
fn a_stop_of_a_cell_that_has_ended_latches() {
    let cell: StateCell = StateCell::new();
    start(&cell).expect("it begins");
    cell.fail("disk full");
    assert!(cell.request_stop(), "as in a back-off");
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(start(&cell), Err(StartError::StopRequested));
}

#[test]
fn the_first_call_says_so() {
    let cell: StateCell = StateCell::new();
    start(&cell).expect("it begins");
    assert!(cell.request_stop());
    assert!(!cell.request_stop());
    assert!(cell.rearm());
    assert!(cell.request_stop());
}

#[test]
fn rearm_takes_back_every_stop() {
    let cell: StateCell = StateCell::new();
    start(&cell).expect("it begins");
    cell.request_stop();
    cell.abort();
    assert!(cell.rearm());
    assert!(!cell.stop_requested());
    start(&cell).expect("it begins again");
}

#[test]
fn nothing_is_rearmed_while_an_attempt_is_under_way() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    cell.request_stop();
    assert!(!cell.rearm());
    assert!(cell.stop_requested());
    drop(attempt);
    assert!(cell.rearm());
}

#[test]
fn a_start_that_may_not_restart_is_told_so_first() {
    let cell: StateCell = StateCell::new();
    cell.request_stop();
    let error = cell.begin(&CancellationToken::new()).err();
    assert_eq!(error, Some(StartError::NotStartable { state: "Stopped" }));
}

#[test]
fn the_latch_is_checked_before_the_token() {
    let cell: StateCell = StateCell::new();
    cell.request_stop();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert_eq!(
        cell.begin_again(&cancelled).err(),
        Some(StartError::StopRequested)
    );
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_stop_of_a_service_that_drains_already_is_the_first() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut guard = None;
    let body = |_| {
        guard = Some(cell.serve_guard());
        Ok::<_, StartError>(())
    };
    attempt.start_sync(body).expect("starts");
    let own = cell.token().expect("it runs");
    cell.transition(Lifecycle::Running, Lifecycle::Stopping)
        .expect("it runs");
    let mut stop = task::spawn(cell.stop());
    assert_pending!(stop.poll());
    assert!(own.is_cancelled());
    drop(guard);
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll());
}

#[test]
fn stop_asked_waits_for_a_stop_and_for_nothing_else() {
    let cell: StateCell = StateCell::new();
    let mut asked = task::spawn(cell.stop_asked());
    start(&cell).expect("it begins");
    cell.fail("disk full");
    start(&cell).expect("it begins again");
    cell.token().expect("it runs").cancel();
    assert_pending!(asked.poll());
    assert!(!asked.is_woken());
    assert!(cell.request_stop(), "as in a back-off");
    assert!(asked.is_woken());
    assert_ready!(asked.poll());
    assert_ready!(task::spawn(cell.stop_asked()).poll(), "at once");
    assert!(cell.rearm());
    assert_pending!(task::spawn(cell.stop_asked()).poll());
}
