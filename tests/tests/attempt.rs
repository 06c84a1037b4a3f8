//! Starts without the attribute: `begin`, and how an `Attempt` is driven.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cancel_guarded::{Attempt, CancellationToken, FailureKind, Lifecycle, StartError, StateCell};
use tokio_test::{
    assert_pending, assert_ready, assert_ready_eq, assert_ready_err, assert_ready_ok, task,
};

fn cell() -> (StateCell, CancellationToken) {
    (StateCell::new(), CancellationToken::new())
}

fn begin(cell: &StateCell, token: &CancellationToken) -> Attempt {
    cell.begin(token).expect("nothing is in its way")
}

#[test]
fn an_attempt_enters_at_once() {
    let (cell, token) = cell();
    let attempt = begin(&cell, &token);
    assert_eq!(cell.state(), Lifecycle::Starting);
    assert!(!attempt.token().is_cancelled());
    token.cancel();
    assert!(attempt.token().is_cancelled(), "its own token is a child");
}

#[test]
fn a_cancelled_token_is_refused_at_entry() {
    let (cell, token) = cell();
    token.cancel();
    assert_eq!(cell.begin(&token).err(), Some(StartError::Cancelled));
    assert_eq!(cell.state(), Lifecycle::Failed);
    let failure = cell.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

#[test]
fn the_state_is_checked_before_the_token() {
    let (cell, token) = cell();
    let attempt = begin(&cell, &token);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let state = "Starting";
    assert_eq!(
        cell.begin(&cancelled).err(),
        Some(StartError::NotStartable { state })
    );
    assert_eq!(cell.state(), Lifecycle::Starting);
    drop(attempt);
}

#[test]
fn a_dropped_attempt_refuses_the_start() {
    let (cell, token) = cell();
    drop(begin(&cell, &token));
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(
        cell.failure().expect("a cause").kind(),
        FailureKind::Dropped
    );
}

/// Also if its future was made, and not polled.
#[test]
fn an_attempt_that_is_not_driven_says_what_drives_it() {
    let not_driven: [fn(Attempt); 3] = [
        |attempt| drop(attempt),
        |attempt| drop(attempt.start(async |_| Ok::<_, StartError>(()))),
        |attempt| drop(attempt.run(async |_, _| Ok::<_, StartError>(()))),
    ];
    for drop_undriven in not_driven {
        let (cell, token) = cell();
        drop_undriven(begin(&cell, &token));
        assert_eq!(
            cell.failure().expect("a cause").to_string(),
            "the attempt was dropped without being driven: await `attempt.start(..)` or `run(..)`, or \
             call `start_sync(..)`"
        );
    }
}

#[test]
fn an_attempt_dropped_after_its_token_was_cancelled_was_cancelled() {
    let (cell, token) = cell();
    let attempt = begin(&cell, &token);
    token.cancel();
    assert_eq!(cell.failure(), None, "its body might still fail by itself");
    drop(attempt);
    assert_eq!(
        cell.failure().expect("a cause").kind(),
        FailureKind::Cancelled
    );
}

#[test]
fn a_body_that_succeeds_is_published() {
    let (cell, token) = cell();
    let start = begin(&cell, &token).start(async |_| Ok::<_, StartError>(7));
    assert_ready_eq!(task::spawn(start).poll(), Ok(7));
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn a_suspended_body_is_dropped_when_its_token_is_cancelled() {
    let (cell, token) = cell();
    let start = begin(&cell, &token).start(async |_| pending::<Result<(), StartError>>().await);
    let mut start = task::spawn(start);
    assert_pending!(start.poll());
    token.cancel();
    assert!(start.is_woken());
    assert_eq!(assert_ready_err!(start.poll()), StartError::Cancelled);
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_token_cancelled_before_the_first_poll_leaves_the_body_unpolled() {
    let (cell, token) = cell();
    let is_polled = AtomicBool::new(false);
    let start = begin(&cell, &token).start(async |_| {
        is_polled.store(true, Ordering::Relaxed);
        Ok::<_, StartError>(())
    });
    token.cancel();
    assert_eq!(
        assert_ready_err!(task::spawn(start).poll()),
        StartError::Cancelled
    );
    assert!(!is_polled.load(Ordering::Relaxed));
}

/// Logs what its cell reads when it is dropped.
struct Capture(StateCell, Arc<std::sync::Mutex<Vec<Lifecycle>>>);

impl Drop for Capture {
    fn drop(&mut self) {
        self.1.lock().expect("not poisoned").push(self.0.state());
    }
}

#[test]
fn the_captures_of_an_unpolled_body_go_before_the_attempt() {
    let (cell, token) = cell();
    let seen = Arc::default();
    let capture = Capture(cell.clone(), Arc::clone(&seen));
    let start = begin(&cell, &token).start(async move |_| {
        let _capture = &capture;
        Ok::<_, StartError>(())
    });
    drop(start);
    assert_eq!(*seen.lock().expect("not poisoned"), [Lifecycle::Starting]);
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_run_is_published_by_its_publisher() {
    let (cell, token) = cell();
    let run = begin(&cell, &token).run(async |token: CancellationToken, publisher| {
        assert!(publisher.publish());
        assert!(publisher.publish(), "it is published");
        token.cancelled().await;
        assert!(!publisher.publish(), "it was told to stop");
        Ok::<_, StartError>("drained")
    });
    let mut run = task::spawn(run);
    assert_pending!(run.poll());
    assert_eq!(cell.state(), Lifecycle::Running);
    token.cancel();
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert!(run.is_woken());
    assert_ready_eq!(run.poll(), Ok("drained"));
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_publisher_needs_the_body() {
    let (cell, token) = cell();
    let mut kept = None;
    let run = begin(&cell, &token).run(async |_, publisher| {
        kept = Some(publisher);
        Ok::<_, StartError>(())
    });
    assert_ready_ok!(task::spawn(run).poll());
    assert!(!kept.expect("it was kept").publish());
    assert_eq!(
        cell.state(),
        Lifecycle::Stopped,
        "it ended without having published"
    );
}

#[test]
fn a_publisher_of_a_start_never_publishes() {
    let (cell, token) = cell();
    let attempt = begin(&cell, &token);
    let publisher = cell.publisher();
    assert!(!publisher.publish());
    let mut start = task::spawn(attempt.start(async |_| {
        assert!(!publisher.publish());
        Ok::<_, StartError>(())
    }));
    assert_ready_ok!(start.poll());
}

#[test]
fn a_run_that_was_told_to_end_and_succeeds_unpublished_was_cancelled() {
    let (cell, token) = cell();
    let cancel = token.clone();
    let run = begin(&cell, &token).run(async |_, _| {
        cancel.cancel();
        Ok::<_, StartError>("own value")
    });
    assert_ready_eq!(task::spawn(run).poll(), Ok("own value"));
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(
        cell.failure().expect("a cause").kind(),
        FailureKind::Cancelled
    );
}

#[test]
fn a_sync_body_is_published() {
    let (cell, token) = cell();
    let value = begin(&cell, &token).start_sync(|_| Ok::<_, StartError>(7));
    assert_eq!(value, Ok(7));
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn a_sync_body_that_succeeds_under_a_cancelled_token_is_refused() {
    let (cell, token) = cell();
    let refused = begin(&cell, &token).start_sync(|_| {
        token.cancel();
        Ok::<_, StartError>(7)
    });
    assert_eq!(refused, Err(StartError::Cancelled));
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_restart_begins_from_any_end() {
    let (cell, token) = cell();
    drop(begin(&cell, &token));
    let state = "Failed";
    assert_eq!(
        cell.begin(&token).err(),
        Some(StartError::NotStartable { state })
    );
    let again = cell.begin_again(&token).expect("a restart");
    assert_eq!(cell.failure(), None, "the failure was that of the first");
    let running = cell.running();
    assert_ready_ok!(task::spawn(again.start(async |_| Ok::<_, StartError>(()))).poll());
    assert_ready_ok!(task::spawn(running).poll());
}

#[test]
fn stop_waits_for_an_attempt_that_is_not_driven() {
    let (cell, token) = cell();
    let attempt = begin(&cell, &token);
    let mut stop = task::spawn(cell.stop());
    assert_pending!(stop.poll());
    drop(attempt);
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll(), "a stop is no error");
}

#[test]
fn the_futures_are_send_if_the_body_is() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let (cell, token) = cell();
    let start = begin(&cell, &token).start(async |_| Ok::<_, StartError>(()));
    drop(assert_send(start));
    let run = cell.begin_again(&token).expect("a restart");
    drop(assert_send(run.run(async |_, _| Ok::<_, StartError>(()))));
}

#[test]
fn a_pinned_start_that_is_dropped_refuses() {
    let (cell, token) = cell();
    {
        let start = begin(&cell, &token).start(async |_| pending::<Result<(), StartError>>().await);
        let mut start = pin!(start);
        assert_pending!(task::spawn(start.as_mut()).poll());
    }
    assert_eq!(
        cell.failure().expect("a cause").kind(),
        FailureKind::Dropped
    );
    let _ = assert_ready!(task::spawn(cell.stopped()).poll());
}
