//! The parts of a service: served, local, guarded and tracked, and how the service ends with them.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, ServeGuard, StartError, StateCell,
};
use cancel_guarded_tests::PanicsOnDrop;
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

/// Starts the service, and returns what `serve` made of its cell in the body.
fn started<T>(cell: &StateCell, token: &CancellationToken, serve: impl FnOnce() -> T) -> T {
    let attempt = cell.begin(token).expect("nothing is in its way");
    let started = attempt.start_sync(|_| Ok::<_, StartError>(serve()));
    started.expect("an empty body starts")
}

fn cell() -> (StateCell, CancellationToken) {
    (StateCell::named("parts"), CancellationToken::new())
}

fn failure_kind(cell: &StateCell) -> Option<FailureKind> {
    cell.failure().map(|failure| failure.kind())
}

#[test]
fn a_service_without_parts_stops_inside_of_the_request() {
    let (cell, token) = cell();
    started(&cell, &token, || ());
    assert!(cell.request_stop());
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_service_without_parts_stops_inside_of_the_cancelling_call() {
    let (cell, token) = cell();
    started(&cell, &token, || ());
    token.cancel();
    assert_eq!(cell.state(), Lifecycle::Stopped);
    assert_eq!(cell.failure(), None);
}

#[test]
fn stopped_waits_for_every_part() {
    let (cell, token) = cell();
    let (served, tracked, guard) = started(&cell, &token, || {
        (
            cell.serve(async {}),
            cell.track(async {}),
            cell.serve_guard(),
        )
    });
    let (mut served, mut tracked) = (task::spawn(served), task::spawn(tracked));
    token.cancel();
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert_ready_eq!(served.poll(), Some(()));
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert_ready_eq!(tracked.poll(), Some(()));
    assert_eq!(cell.state(), Lifecycle::Stopping);
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn the_end_of_the_last_serving_part_stops_the_service() {
    let (cell, token) = cell();
    let (one, two, client) = started(&cell, &token, || {
        (
            cell.serve(async {}),
            cell.serve(async {}),
            cell.track(pending::<()>()),
        )
    });
    let own = cell.token().expect("an attempt is under way");
    assert_ready!(task::spawn(one).poll());
    assert_eq!(cell.state(), Lifecycle::Running, "another one serves");
    assert_ready!(task::spawn(two).poll());
    assert_eq!(cell.state(), Lifecycle::Stopping, "a client is left");
    assert!(own.is_cancelled(), "the client is told");
    drop(client);
    assert_eq!(cell.state(), Lifecycle::Stopped);
    assert_eq!(cell.failure(), None);
}

#[test]
fn a_client_that_fails_fails_nothing() {
    let (cell, token) = cell();
    let (failing, panicking, _guard) = started(&cell, &token, || {
        let failing = cell.track(async { Err::<(), _>("reset by peer") });
        (
            failing,
            cell.track(async { panic!("bad client") }),
            cell.serve_guard(),
        )
    });
    assert_ready_eq!(task::spawn(failing).poll(), Some(Err("reset by peer")));
    let mut panicking = task::spawn(panicking);
    assert!(catch_unwind(AssertUnwindSafe(|| panicking.poll())).is_err());
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn a_client_that_panics_when_it_is_dropped_fails_nothing() {
    let (cell, token) = cell();
    let (client, _guard) = started(&cell, &token, || {
        let bomb = PanicsOnDrop;
        let client = cell.track(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
        (client, cell.serve_guard())
    });
    let mut client = task::spawn(client);
    assert_pending!(client.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(client))).is_err());
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn the_end_of_the_last_client_stops_nothing() {
    let (cell, token) = cell();
    let client = started(&cell, &token, || cell.track(async {}));
    assert_ready!(task::spawn(client).poll());
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
fn a_client_joins_while_the_service_drains() {
    let (cell, token) = cell();
    let guard = started(&cell, &token, || cell.serve_guard());
    token.cancel();
    let client = cell.track(async {});
    let late = cell.serve(async {});
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Stopping, "the client is left");
    assert_ready_eq!(
        task::spawn(late).poll(),
        None,
        "nothing serves a service that drains"
    );
    assert_ready_eq!(task::spawn(client).poll(), Some(()));
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_served_future_that_fails_fails_the_service() {
    let (cell, token) = cell();
    let (served, client) = started(&cell, &token, || {
        (
            cell.serve(async { Err::<(), _>("disk full") }),
            cell.track(pending::<()>()),
        )
    });
    let own = cell.token().expect("an attempt is under way");
    assert_ready_eq!(task::spawn(served).poll(), Some(Err("disk full")));
    assert_eq!(cell.state(), Lifecycle::Stopping);
    assert!(own.is_cancelled());
    assert_eq!(
        cell.failure().expect("final at once").to_string(),
        "disk full"
    );
    drop(client);
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn nothing_of_a_refused_start_is_left_behind() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let (mut dropped_send, dropped) = oneshot::channel::<()>();
    let (client_send, client_dropped) = oneshot::channel::<()>();
    let mut parts = None;
    let refused = attempt.start_sync(|_| {
        parts = Some((
            cell.serve(async { dropped.await.unwrap_or(()) }),
            cell.track(async { client_dropped.await.unwrap_or(()) }),
        ));
        token.cancel();
        Ok::<_, StartError>(())
    });
    assert_eq!(refused, Err(StartError::Cancelled));
    assert!(dropped_send.is_closed() && client_send.is_closed());
    assert_ready!(task::spawn(dropped_send.closed()).poll());
    assert_eq!(cell.state(), Lifecycle::Failed);
    let (served, tracked) = parts.expect("they were made");
    assert_ready_eq!(task::spawn(served).poll(), None);
    assert_ready_eq!(task::spawn(tracked).poll(), None);
}

/// Records that it was dropped, on the thread that it must not leave.
struct Local(Rc<Cell<bool>>);

impl Drop for Local {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn failed_waits_for_a_local_part_and_the_refused_start_does_not() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let is_dropped = Rc::new(Cell::new(false));
    let local = Local(Rc::clone(&is_dropped));
    let mut served = None;
    let mut start = task::spawn(attempt.start(async |_| {
        served = Some(cell.serve_local(async move {
            let _local = &local;
            pending::<()>().await;
        }));
        pending::<Result<(), StartError>>().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert!(assert_ready!(start.poll()).is_err());
    drop(start);
    assert_eq!(cell.state(), Lifecycle::Starting, "a local part is left");
    assert!(!is_dropped.get());
    let mut served = task::spawn(served.expect("it was made"));
    assert_ready_eq!(served.poll(), None);
    assert!(is_dropped.get());
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_local_part_is_woken_by_a_refusal_and_by_publication() {
    for is_refused in [true, false] {
        let (cell, token) = cell();
        let attempt = cell.begin(&token).expect("it begins");
        let mut served = task::spawn(cell.serve_local(async {}));
        assert_pending!(served.poll());
        if is_refused {
            token.cancel();
            assert!(served.is_woken());
            drop(attempt);
            assert_ready_eq!(served.poll(), None);
        } else {
            attempt
                .start_sync(|_| Ok::<_, StartError>(()))
                .expect("starts");
            assert!(served.is_woken());
            assert_ready_eq!(served.poll(), Some(()));
        }
    }
}

#[test]
fn a_guard_tells_its_thread_what_becomes_of_the_start() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let guard = cell.serve_guard();
    let mut published = task::spawn(guard.published());
    assert_pending!(published.poll());
    attempt
        .start_sync(|_| Ok::<_, StartError>(()))
        .expect("starts");
    assert!(published.is_woken());
    assert_ready_ok!(published.poll());
    token.cancel();
    assert!(guard.token().is_cancelled());
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn a_guard_hears_of_a_refusal_while_the_attempt_waits_for_it() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let guard = cell.serve_guard();
    let mut published = task::spawn(guard.published());
    assert_pending!(published.poll());
    drop(attempt);
    assert_eq!(cell.state(), Lifecycle::Starting, "the guard is left");
    assert!(published.is_woken());
    assert!(assert_ready!(published.poll()).is_err());
    assert!(guard.token().is_cancelled());
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_guard_dropped_in_a_panic_fails_the_service() {
    let (cell, token) = cell();
    let guard = started(&cell, &token, || cell.serve_guard());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard: ServeGuard<_> = guard;
        panic!("the thread");
    }));
    assert!(panicked.is_err());
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(failure_kind(&cell), Some(FailureKind::Panicked));
}

#[test]
fn a_guard_that_ends_before_publication_ends_the_service_right_after() {
    let (cell, token) = cell();
    started(&cell, &token, || drop(cell.serve_guard()));
    assert_eq!(cell.state(), Lifecycle::Stopped, "nothing serves any more");
}

#[test]
fn a_guard_without_an_attempt_is_inert() {
    let (cell, token) = cell();
    let guard = cell.serve_guard();
    assert!(guard.token().is_cancelled());
    assert!(assert_ready!(task::spawn(guard.published()).poll()).is_err());
    let _other = started(&cell, &token, || cell.serve_guard());
    drop(guard);
    assert_eq!(cell.state(), Lifecycle::Running);
}

#[test]
#[cfg_attr(
    debug_assertions,
    should_panic(expected = "no start of this cell is under way")
)]
fn serving_on_a_cell_that_was_never_started_is_a_mistake() {
    let cell: StateCell = StateCell::new();
    assert_ready_eq!(task::spawn(cell.serve(async {})).poll(), None);
}

#[test]
fn serving_on_a_cell_that_has_ended_drops_the_future() {
    let (cell, token) = cell();
    started(&cell, &token, || ());
    cell.request_stop();
    assert_ready_eq!(task::spawn(cell.serve(async {})).poll(), None);
    assert_ready_eq!(task::spawn(cell.track(async {})).poll(), None);
}

#[test]
fn a_part_of_an_earlier_attempt_does_not_count_for_the_next() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut stale = Vec::new();
    let refused = attempt.start_sync(|_| {
        stale.push(cell.serve(pending::<()>()));
        stale.push(cell.serve(pending::<()>()));
        Err::<(), _>(StartError::StopRequested)
    });
    assert!(refused.is_err());
    assert_eq!(cell.state(), Lifecycle::Failed);
    let again = cell.begin_again(&token).expect("it begins again");
    let mut served = None;
    let body = |_| {
        served = Some(cell.serve(async {}));
        Ok::<_, StartError>(())
    };
    again.start_sync(body).expect("starts");
    stale.clear();
    assert_eq!(cell.state(), Lifecycle::Running);
    assert_ready_eq!(task::spawn(served.expect("it was made")).poll(), Some(()));
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn debug_shows_which_parts_are_left() {
    let (cell, token) = cell();
    let clients = line!() + 2;
    let _parts = started(&cell, &token, || {
        let clients = [(); 2].map(|()| cell.track(pending::<()>()));
        (clients, cell.serve(pending::<()>()), cell.serve_guard())
    });
    let shown = format!("{cell:?}");
    let counted = "StateCell { name: \"parts\", state: Running, \
                   parts: {\"served\": 1, \"guards\": 1, \"tracked\": 2}, made_at: {";
    assert!(shown.starts_with(counted), "{shown}");
    let place = format!("\"{}:{clients}\": 2", file!());
    assert!(shown.contains(&place), "two clients at one place: {shown}");
}

#[test]
fn the_own_token_is_there_while_an_attempt_is() {
    let (cell, token) = cell();
    assert!(cell.token().is_none());
    let _guard = started(&cell, &token, || cell.serve_guard());
    let own = cell.token().expect("an attempt is under way");
    own.cancel();
    assert_eq!(
        cell.state(),
        Lifecycle::Stopping,
        "the cancelling call moved it"
    );
    assert!(!cell.stop_requested(), "without the latch");
    assert!(!token.is_cancelled());
}

#[test]
fn an_own_token_made_after_the_stop_is_cancelled() {
    let (cell, token) = cell();
    let _guard = started(&cell, &token, || cell.serve_guard());
    cell.transition(Lifecycle::Running, Lifecycle::Stopping)
        .expect("it runs");
    assert!(cell.token().expect("still draining").is_cancelled());
}

#[test]
fn an_own_token_made_before_the_transition_is_cancelled_by_it() {
    let (cell, token) = cell();
    let _guard = started(&cell, &token, || cell.serve_guard());
    let own = cell.token().expect("an attempt is under way");
    cell.transition(Lifecycle::Running, Lifecycle::Stopping)
        .expect("it runs");
    assert!(own.is_cancelled());
}

#[test]
fn nobody_writes_an_end_by_hand() {
    let (cell, token) = cell();
    let _guard = started(&cell, &token, || cell.serve_guard());
    for to in [
        Lifecycle::Created,
        Lifecycle::Starting,
        Lifecycle::Stopped,
        Lifecycle::Failed,
    ] {
        let error = cell
            .transition(Lifecycle::Running, to)
            .expect_err("it is the guard's");
        assert_eq!(error.actual(), Lifecycle::Running);
    }
    cell.request_stop();
    cell.transition(Lifecycle::Stopping, Lifecycle::Stopped)
        .expect_err("a guard is left");
    assert_eq!(cell.state(), Lifecycle::Stopping);
}

#[test]
fn a_served_output_whose_drop_panics_does_not_abort() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("drop");
        }
    }
    impl cancel_guarded::Outcome for Bomb {
        fn failure(&self) -> Option<cancel_guarded::Failure> {
            panic!("failure")
        }
    }
    let (cell, token) = cell();
    let served = started(&cell, &token, || cell.serve(async { Bomb }));
    let mut served = Box::pin(served);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = catch_unwind(AssertUnwindSafe(|| {
        served.as_mut().poll(&mut cx).is_ready()
    }));
    assert!(polled.is_err());
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(failure_kind(&cell), Some(FailureKind::Panicked));
}
