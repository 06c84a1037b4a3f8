//! `running`, `stopped`, `stop` and `wait_for`: what they wait for, and that they end.

use std::future::{Future, pending};
use std::pin::Pin;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, ServeGuard, StartError, StateCell,
};
use cancel_guarded_tests::{Service, now};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

fn start(cell: &StateCell) -> Result<(), StartError> {
    let attempt = cell.begin_again(&CancellationToken::new())?;
    attempt.start_sync(|_| Ok(()))
}

#[test]
fn in_initial_both_wait_for_the_first_attempt() {
    let cell: StateCell = StateCell::new();
    let (mut running, mut stopped) = (task::spawn(cell.running()), task::spawn(cell.stopped()));
    assert_pending!(running.poll());
    assert_pending!(stopped.poll());
    start(&cell).expect("it begins");
    assert!(running.is_woken() && !stopped.is_woken());
    assert_ready_ok!(running.poll());
    assert_pending!(stopped.poll());
    cell.request_stop();
    assert!(stopped.is_woken());
    assert_ready_ok!(stopped.poll());
}

#[test]
fn in_initial_both_hear_of_a_stop() {
    let cell: StateCell = StateCell::new();
    let (mut running, mut stopped) = (task::spawn(cell.running()), task::spawn(cell.stopped()));
    cell.request_stop();
    let error = assert_ready!(running.poll()).expect_err("it never ran");
    assert_eq!(error.failure(), None, "a stop is no failure");
    assert_ready_ok!(stopped.poll());
}

#[test]
fn on_a_cell_that_has_ended_both_are_over_at_once() {
    let cell: StateCell = StateCell::new();
    start(&cell).expect("it begins");
    cell.fail("disk full");
    let error = assert_ready!(task::spawn(cell.running()).poll()).expect_err("it has ended");
    assert_eq!(error.to_string(), "the service is not running: disk full");
    let failure = assert_ready!(task::spawn(cell.stopped()).poll()).expect_err("it has failed");
    assert_eq!(failure.to_string(), "disk full");
    start(&cell).expect("it begins again");
    cell.request_stop();
    assert!(assert_ready!(task::spawn(cell.running()).poll()).is_err());
    assert_ready_ok!(task::spawn(cell.stopped()).poll());
}

#[test]
fn running_is_over_at_once_while_the_service_drains() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut guard = None;
    let body = |_| {
        guard = Some(cell.serve_guard());
        Ok::<_, StartError>(())
    };
    attempt.start_sync(body).expect("starts");
    let early = cell.running();
    cell.request_stop();
    assert!(assert_ready!(task::spawn(cell.running()).poll()).is_err());
    assert_ready_ok!(task::spawn(early).poll(), "it was bound before the stop");
}

#[test]
fn running_is_bound_to_its_attempt_across_a_restart() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut first = task::spawn(cell.running());
    drop(attempt);
    start(&cell).expect("it begins again");
    let error = assert_ready!(first.poll()).expect_err("the first never ran");
    assert_eq!(
        error.failure().map(Failure::kind),
        Some(FailureKind::Dropped)
    );

    let cell: StateCell = StateCell::new();
    let published = cell.running();
    start(&cell).expect("it begins");
    cell.fail("disk full");
    start(&cell).expect("it begins again");
    assert_ready_ok!(task::spawn(published).poll(), "the first ran");
}

#[test]
fn a_polite_stop_is_no_error_anywhere() {
    let cell: StateCell = StateCell::new();
    let token = CancellationToken::new();
    let attempt = cell.begin(&token).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| pending::<Result<(), StartError>>().await));
    assert_pending!(start.poll());
    let mut stop = task::spawn(cell.stop());
    assert_pending!(stop.poll());
    assert!(assert_ready!(start.poll()).is_err());
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_ready_ok!(stop.poll());
    assert_ready_ok!(task::spawn(cell.stopped()).poll());
}

#[test]
fn every_caller_of_stop_waits() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut guard = None;
    let body = |_| {
        guard = Some(cell.serve_guard());
        Ok::<_, StartError>(())
    };
    attempt.start_sync(body).expect("starts");
    let mut stops = [cell.stop(), cell.stop(), cell.stop()].map(task::spawn);
    for stop in &mut stops {
        assert_pending!(stop.poll());
    }
    drop(guard);
    for stop in &mut stops {
        assert!(stop.is_woken());
        assert_ready_ok!(stop.poll());
    }
}

#[test]
fn a_stop_is_requested_at_its_first_poll() {
    let cell: StateCell = StateCell::new();
    let stop = cell.stop();
    assert!(!cell.stop_requested());
    assert_ready_ok!(task::spawn(stop).poll());
    assert!(cell.stop_requested());
}

#[test]
fn wait_for_sees_a_later_state() {
    let cell: StateCell = StateCell::new();
    let mut wait = task::spawn(cell.wait_for(|state| state == Lifecycle::Running));
    assert_pending!(wait.poll());
    start(&cell).expect("it begins");
    assert!(wait.is_woken());
    assert_ready_eq!(wait.poll(), Lifecycle::Running);
}

#[test]
fn a_dropped_wait_leaves_nothing_behind() {
    let cell: StateCell = StateCell::new();
    for _ in 0..3 {
        let mut waits = [task::spawn(cell.running()), task::spawn(cell.running())];
        assert_pending!(waits[1].poll());
    }
    cell.request_stop();
    assert_ready_ok!(task::spawn(cell.stopped()).poll());
}

type Wait = task::Spawn<Pin<Box<dyn Future<Output = ()>>>>;

/// Returns every wait that a cell has, polled once, with its name and whether it is over.
fn all_waits(cell: &StateCell) -> Vec<(&'static str, Wait, bool)> {
    fn polled(name: &'static str, wait: impl Future + 'static) -> (&'static str, Wait, bool) {
        let wait: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            wait.await;
        });
        let mut wait = task::spawn(wait);
        let is_over = wait.poll().is_ready();
        (name, wait, is_over)
    }
    let has_ended = |state| state >= Lifecycle::Stopped;
    vec![
        polled("running", cell.running()),
        polled("stopped", cell.stopped()),
        polled("wait_for", cell.wait_for(has_ended)),
        polled("published", cell.serve_guard().published()),
        polled("stop", cell.stop()),
        polled("stop_or_abort", cell.stop_or_abort(pending::<()>())),
    ]
}

/// Each wait ends with the attempt, whatever the cell read when it began, and however the attempt
/// ends.
#[test]
fn every_wait_ends_with_the_attempt() {
    /// Brings a cell into a state. Dropping the returned value ends what is left of the attempt.
    type Enter = fn(&Service) -> Box<dyn std::any::Any>;
    let states: [(Lifecycle, Enter); 6] = [
        (Lifecycle::Created, |_| Box::new(())),
        (Lifecycle::Starting, |service| {
            let attempt = service.state.begin(&CancellationToken::new());
            Box::new(attempt.expect("it begins"))
        }),
        (Lifecycle::Running, |service| Box::new(serve(service))),
        (Lifecycle::Stopping, |service| {
            let guard = serve(service);
            guard.token().cancel();
            Box::new(guard)
        }),
        (Lifecycle::Stopped, |service| {
            serve(service).token().cancel();
            Box::new(())
        }),
        (Lifecycle::Failed, |service| {
            service.state.fail("no config");
            Box::new(())
        }),
    ];
    for (state, enter) in states {
        let service = Service::new();
        let left = enter(&service);
        assert_eq!(service.state.state(), state);
        let waits = all_waits(&service.state);
        drop(left);
        for (name, mut wait, is_over) in waits {
            assert!(is_over || wait.is_woken(), "{name} from {state:?}");
            assert!(is_over || wait.poll().is_ready(), "{name} from {state:?}");
        }
    }
}

fn serve(service: &Service) -> ServeGuard<Lifecycle> {
    let guard = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve_guard())
    }));
    guard.expect("starts")
}
