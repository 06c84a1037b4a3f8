//! `request_stop`, `stop`, `stopped` and `running`.

use std::error::Error as _;
use std::future::pending;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StateCell};
use cancel_guarded_tests::{
    CANCELLED, Log, Service, TestError, not_startable, now, running_service,
};
use tokio_test::{assert_pending, assert_ready, task};

#[test]
fn request_stop_before_any_start() {
    let service = Service::new();
    assert!(service.state.request_stop());
    assert!(!service.state.request_stop(), "the first call did it");
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert_eq!(service.state.failure(), None, "nothing failed");
    assert_eq!(
        now(service.start(CancellationToken::new(), async { Ok(()) })),
        Err(not_startable("Stopped"))
    );
}

#[test]
fn request_stop_during_a_start() {
    let service = Service::new();
    let child = Log::default();
    let mut start = task::spawn(service.start_seeing::<(), _>(
        CancellationToken::new(),
        |shutdown| {
            child.push(shutdown);
            pending()
        },
    ));
    assert_pending!(start.poll());
    assert!(service.state.request_stop());
    assert!(!service.state.request_stop(), "the first call did it");
    assert!(child.all()[0].is_cancelled());
    assert!(start.is_woken());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

#[test]
fn request_stop_of_a_running_service() {
    let service = Service::new();
    let child =
        now(service.start_seeing(CancellationToken::new(), |shutdown| async { Ok(shutdown) }))
            .expect("starts");
    assert!(service.state.request_stop());
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert!(child.is_cancelled());
    assert!(!service.state.request_stop(), "the first call did it");
}

#[test]
fn request_stop_after_a_cancel_returns_false() {
    let (service, token) = running_service();
    token.cancel();
    assert!(!service.state.request_stop());
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

#[test]
fn every_caller_of_stop_waits_for_the_end() {
    let (service, _token) = running_service();
    let mut first = task::spawn(service.state.stop());
    let mut second = task::spawn(service.state.stop());
    assert_pending!(first.poll());
    assert_pending!(second.poll(), "it does not return before the first");
    service
        .state
        .transition(Lifecycle::Stopping, Lifecycle::Stopped)
        .expect("drained");
    assert!(first.is_woken() && second.is_woken());
    assert!(assert_ready!(first.poll()), "the one that did it");
    assert!(!assert_ready!(second.poll()));
}

#[test]
fn stop_before_any_start_returns_at_once() {
    let cell: StateCell = StateCell::new();
    assert!(now(cell.stop()), "it moved the state");
    assert!(!now(cell.stop()));
}

#[test]
fn stop_during_a_start_waits_for_its_end() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert!(stop.is_woken());
    assert!(assert_ready!(stop.poll()));
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

#[test]
fn stopped_is_bound_to_one_attempt() {
    let (service, _token) = running_service();
    let mut stopped = task::spawn(service.state.stopped());
    assert_pending!(stopped.poll());
    service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopped)
        .expect("the service's own");
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("again");
    assert!(stopped.is_woken());
    assert_ready!(stopped.poll());
}

#[test]
fn stopped_is_bound_before_its_first_poll() {
    let (service, _token) = running_service();
    let stopped = service.state.stopped();
    service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopped)
        .expect("the service's own");
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("again");
    now(stopped);
}

#[test]
fn running_resolves_at_publication_and_failure() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll(), "bound to the next attempt");
    now(service.start(CancellationToken::new(), async { Ok(()) })).expect("starts");
    assert!(running.is_woken());
    assert_eq!(assert_ready!(running.poll()), Ok(()));

    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    let failed = now(service.start::<()>(CancellationToken::new(), async {
        Err(TestError::Own("no port"))
    }));
    assert!(failed.is_err());
    assert!(running.is_woken());
    let never = assert_ready!(running.poll()).expect_err("it never ran");
    assert_eq!(never.failure().to_string(), "no port");
    assert_eq!(never.to_string(), "the service never ran: no port");
    let source = never.source().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("no port"));
}

#[test]
fn running_is_bound_to_one_attempt() {
    let service = Service::new();
    let first = service.state.running();
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("starts");
    let same = service.state.running();
    service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopped)
        .expect("the service's own");
    let second = service.state.running();
    let failed = now(service.restart::<()>(CancellationToken::new(), async {
        Err(TestError::Own("second"))
    }));
    assert!(failed.is_err());
    let third = service.state.running();

    assert_eq!(now(first), Ok(()), "the first attempt did publish");
    assert_eq!(now(same), Ok(()), "it published, although it is over");
    let never = now(second).expect_err("the second never ran");
    assert_eq!(never.failure().to_string(), "second");
    assert_pending!(task::spawn(third).poll(), "the third has not begun");
}

#[test]
fn running_fails_when_stopped_before_any_start() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    assert!(service.state.request_stop());
    assert!(running.is_woken());
    let never = assert_ready!(running.poll()).expect_err("stopped before it began");
    assert_eq!(never.failure().kind(), FailureKind::Cancelled);
}

#[test]
fn running_of_a_stopping_service_is_ok() {
    let (service, token) = running_service();
    token.cancel();
    assert_eq!(now(service.state.running()), Ok(()), "it published");
}
