//! Stopping by force: `abort` and `stop_or_abort`.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::task::Poll;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, Publisher, StartError, StateCell, cancel_guarded,
};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

fn started<T>(cell: &StateCell, serve: impl FnOnce() -> T) -> T {
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let started = attempt.start_sync(|_| Ok::<_, StartError>(serve()));
    started.expect("an empty body starts")
}

fn failure_kind(cell: &StateCell) -> Option<FailureKind> {
    cell.failure().map(|failure| failure.kind())
}

#[test]
fn abort_drops_running_futures_at_their_next_poll() {
    let cell: StateCell = StateCell::new();
    let (served, client) = started(&cell, || {
        (cell.serve(pending::<()>()), cell.track(pending::<()>()))
    });
    let (mut served, mut client) = (task::spawn(served), task::spawn(client));
    assert_pending!(served.poll());
    assert_pending!(client.poll());
    cell.abort();
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert!(served.is_woken() && client.is_woken());
    assert_ready_eq!(served.poll(), None);
    assert_ready_eq!(client.poll(), None);
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(failure_kind(&cell), Some(FailureKind::Dropped));
    assert!(cell.failure().expect("a cause").was_told_to_end());
}

#[test]
fn abort_drops_unpolled_futures_itself() {
    let cell: StateCell = StateCell::new();
    let served = started(&cell, || cell.serve(pending::<()>()));
    cell.abort();
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(failure_kind(&cell), Some(FailureKind::Dropped));
    assert_ready_eq!(task::spawn(served).poll(), None);
}

#[test]
fn abort_of_a_service_without_futures_is_a_stop() {
    let cell: StateCell = StateCell::new();
    started(&cell, || ());
    cell.abort();
    assert_eq!(cell.state(), Lifecycle::Stopped);
    assert!(cell.stop_requested());
}

#[test]
fn abort_only_tells_a_guard() {
    let cell: StateCell = StateCell::new();
    let guard = started(&cell, || cell.serve_guard());
    cell.abort();
    assert!(guard.token().is_cancelled());
    assert_eq!(cell.state(), Lifecycle::Stopping);
    drop(guard);
    assert_eq!(
        cell.state(),
        Lifecycle::Stopped,
        "nothing was dropped by force"
    );
}

#[test]
fn abort_refuses_a_start_as_cancelled() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| pending::<Result<(), StartError>>().await));
    assert_pending!(start.poll());
    cell.abort();
    assert!(start.is_woken());
    assert_ready_eq!(start.poll(), Err(StartError::Cancelled));
    assert_eq!(failure_kind(&cell), Some(FailureKind::Cancelled));
}

#[test]
fn abort_drops_the_body_of_a_published_run() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut run = task::spawn(attempt.run(async |_, publisher: Publisher<Lifecycle>| {
        publisher.publish();
        pending::<Result<(), StartError>>().await
    }));
    assert_pending!(run.poll());
    cell.abort();
    assert!(run.is_woken());
    let error = assert_ready!(run.poll()).expect_err("it was aborted");
    let StartError::Failed(failure) = error else {
        panic!("{error:?}");
    };
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(cell.failure(), Some(failure));
}

#[test]
fn stop_or_abort_waits_for_those_who_leave_in_time() {
    let cell: StateCell = StateCell::new();
    let served = started(&cell, || {
        let token = cell.token().expect("an attempt is under way");
        cell.serve(async move { token.cancelled().await })
    });
    let mut served = task::spawn(served);
    assert_pending!(served.poll());
    let mut stop = task::spawn(cell.stop_or_abort(pending::<()>()));
    assert_pending!(stop.poll());
    assert_ready_eq!(served.poll(), Some(()));
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll());
}

#[test]
fn stop_or_abort_aborts_those_who_do_not() {
    let cell: StateCell = StateCell::new();
    let stubborn = started(&cell, || {
        [cell.serve(pending::<()>()), cell.serve(pending::<()>())]
    });
    let mut stubborn = stubborn.map(task::spawn);
    for part in &mut stubborn {
        assert_pending!(part.poll());
    }
    let mut stop = task::spawn(cell.stop_or_abort(ready(())));
    assert_pending!(stop.poll());
    for part in &mut stubborn {
        assert!(part.is_woken());
        assert_ready_eq!(part.poll(), None);
    }
    assert!(stop.is_woken());
    let failure = assert_ready!(stop.poll()).expect_err("by force");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

#[test]
fn a_client_that_joins_after_the_abort_is_dropped() {
    let cell: StateCell = StateCell::new();
    let guard = started(&cell, || cell.serve_guard());
    cell.abort();
    assert_ready_eq!(task::spawn(cell.track(pending::<()>())).poll(), None);
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_part_that_moves_to_another_task_is_woken_there() {
    let cell: StateCell = StateCell::new();
    let served = started(&cell, || cell.serve(pending::<()>()));
    let mut served = Box::pin(served);
    let mut first = task::spawn(served.as_mut());
    assert_pending!(first.poll());
    drop(first);
    let mut second = task::spawn(served.as_mut());
    assert_pending!(second.poll());
    cell.abort();
    assert!(second.is_woken());
    assert_ready_eq!(second.poll(), None);
}

#[test]
fn abort_drops_a_local_future_at_its_next_poll() {
    for is_polled in [false, true] {
        let cell: StateCell = StateCell::new();
        let local = started(&cell, || cell.serve_local(pending::<()>()));
        let mut local = task::spawn(local);
        if is_polled {
            assert_pending!(local.poll());
        }
        cell.abort();
        assert_eq!(
            cell.state(),
            Lifecycle::Stopping,
            "only its own task can drop it"
        );
        assert_eq!(local.is_woken(), is_polled);
        assert_ready_eq!(local.poll(), None);
        assert_eq!(failure_kind(&cell), Some(FailureKind::Dropped));
    }
}

/// Flushes in a step that is not interrupted, and then waits for ever.
#[cancel_guarded(run, state = cell)]
async fn flushes(
    cell: &StateCell,
    shutdown: CancellationToken,
    flush: impl Future<Output = ()>,
) -> Result<(), StartError> {
    cell.store(Lifecycle::Running);
    #[shielded]
    flush.await;
    pending().await
}

#[test]
fn abort_only_tells_a_shielded_step() {
    let cell: StateCell = StateCell::new();
    let (flushed, wait) = oneshot::channel::<()>();
    let mut run = task::spawn(flushes(&cell, CancellationToken::new(), async {
        let _ = wait.await;
    }));
    assert_pending!(run.poll());
    let own = cell.token().expect("it runs");
    cell.abort();
    assert!(own.is_cancelled());
    assert_pending!(run.poll(), "the step goes on");
    assert_eq!(cell.state(), Lifecycle::Stopping);
    flushed.send(()).expect("the step waits");
    assert!(run.is_woken());
    let error = assert_ready!(run.poll()).expect_err("dropped after the step");
    assert!(matches!(error, StartError::Failed(_)), "{error:?}");
    assert_eq!(failure_kind(&cell), Some(FailureKind::Dropped));
}

#[cancel_guarded(run, shielded, state = cell)]
async fn drains(
    cell: &StateCell,
    shutdown: CancellationToken,
    drained: oneshot::Receiver<&'static str>,
) -> Result<&'static str, StartError> {
    cell.store(Lifecycle::Running);
    Ok(drained.await.unwrap_or("closed"))
}

#[test]
fn abort_only_tells_a_shielded_run() {
    let cell: StateCell = StateCell::new();
    let (drained, wait) = oneshot::channel();
    let mut run = task::spawn(drains(&cell, CancellationToken::new(), wait));
    assert_pending!(run.poll());
    cell.abort();
    assert_pending!(run.poll());
    drained.send("drained").expect("it waits");
    assert_ready_eq!(run.poll(), Ok("drained"));
    assert_eq!(cell.state(), Lifecycle::Stopped, "nothing was dropped");
}

#[test]
fn abort_before_any_start_is_a_stop() {
    let cell: StateCell = StateCell::new();
    cell.abort();
    assert_eq!(cell.state(), Lifecycle::Stopped);
    assert!(cell.stop_requested());
}

/// The attempt ends just when the deadline is ready, and the cell is rearmed and started again.
#[test]
fn stop_or_abort_leaves_a_later_attempt_alone() {
    let cell: StateCell = StateCell::new();
    let guard = RefCell::new(Some(started(&cell, || cell.serve_guard())));
    let next = RefCell::new(None);
    let deadline = poll_fn(|_| {
        drop(guard.take());
        assert!(cell.rearm());
        let attempt = cell.begin_again(&CancellationToken::new());
        let start = attempt.expect("it begins again");
        let serve = |_| Ok::<_, StartError>(cell.serve(pending::<()>()));
        next.replace(start.start_sync(serve).ok());
        Poll::Ready(())
    });
    assert_ready_ok!(task::spawn(cell.stop_or_abort(deadline)).poll());
    assert!(!cell.stop_requested(), "every stop was taken back");
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn an_aborted_run_returns_the_cause_that_the_cell_has() {
    let cell: StateCell = StateCell::new();
    let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
    let mut run = task::spawn(attempt.run(async |_, publisher: Publisher<Lifecycle>| {
        let _served = cell.serve_local(pending::<()>());
        publisher.publish();
        pending::<Result<(), StartError>>().await
    }));
    assert_pending!(run.poll());
    cell.abort();
    let returned = assert_ready!(run.poll()).expect_err("it was aborted");
    let cause = cell.failure().expect("a cause");
    assert_eq!(returned, StartError::Failed(cause));
}
