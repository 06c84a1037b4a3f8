//! Which cause an attempt fails with.

use std::future::{Future as _, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use cancel_guarded::{CancellationToken, Failure, FailureKind, Lifecycle, StartError, StateCell};
use cancel_guarded_tests::on_wake;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};

#[derive(Debug, PartialEq)]
enum Error {
    Refused(StartError),
    Own(&'static str),
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Own(message) => f.write_str(message),
        }
    }
}

fn cell() -> (StateCell, CancellationToken) {
    (StateCell::new(), CancellationToken::new())
}

fn cause(cell: &StateCell) -> (FailureKind, String) {
    let failure = cell.failure().expect("a cause");
    (failure.kind(), failure.to_string())
}

#[test]
fn an_error_of_the_body_wins_over_a_cancellation() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let failed = attempt.start_sync(|_| {
        token.cancel();
        assert_eq!(cell.failure(), None, "it may still change");
        Err::<(), _>(Error::Own("table 7 is corrupt"))
    });
    assert_eq!(failed, Err(Error::Own("table 7 is corrupt")));
    assert_eq!(
        cause(&cell),
        (FailureKind::Error, "table 7 is corrupt".to_owned())
    );
    assert!(cell.failure().expect("a cause").was_told_to_end());
}

#[test]
fn a_panic_of_the_body_wins_over_a_cancellation() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        attempt.start_sync(|_| -> Result<(), Error> {
            token.cancel();
            panic!("invariant broken")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(
        cause(&cell),
        (
            FailureKind::Panicked,
            "panicked: invariant broken".to_owned()
        )
    );
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_body_is_its_failure() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| {
        let _bomb = Bomb;
        pending::<Result<(), Error>>().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert!(catch_unwind(AssertUnwindSafe(|| start.poll())).is_err());
    assert_eq!(
        cause(&cell),
        (
            FailureKind::Panicked,
            "panicked: in a destructor".to_owned()
        )
    );
}

#[test]
fn an_error_of_the_body_wins_over_a_served_future_that_it_dropped_on_the_way_out() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let failed = attempt.start_sync(|_| {
        let _served = cell.serve(pending::<()>());
        Err::<(), _>(Error::Own("no such table"))
    });
    assert!(failed.is_err());
    assert_eq!(
        cause(&cell),
        (FailureKind::Error, "no such table".to_owned())
    );
}

#[test]
fn a_served_future_that_is_dropped_refuses_the_start() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let refused = attempt.start_sync(|_| {
        drop(cell.serve(pending::<()>()));
        Ok::<_, Error>(())
    });
    let Err(Error::Refused(StartError::Failed(failure))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert_eq!(cell.failure(), Some(failure));
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn the_first_cause_stays() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    assert!(cell.fail("first"));
    assert!(!cell.fail("second"));
    let failed = attempt.start_sync(|_| Err::<(), _>(Error::Own("third")));
    let first = Failure::new("first");
    assert_eq!(
        failed,
        Err(Error::Refused(StartError::Failed(first.clone())))
    );
    assert_eq!(cell.failure(), Some(first));
}

#[test]
fn a_failure_while_the_service_drains_was_told_to_end() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut served = None;
    let body = |_| {
        served = Some(cell.serve(async { Err::<(), _>("flush failed") }));
        Ok::<_, Error>(())
    };
    attempt.start_sync(body).expect("starts");
    token.cancel();
    assert_ready_eq!(
        task::spawn(served.expect("it was made")).poll(),
        Some(Err("flush failed"))
    );
    assert_eq!(
        cause(&cell),
        (FailureKind::Error, "flush failed".to_owned())
    );
    assert!(cell.failure().expect("a cause").was_told_to_end());
}

#[test]
fn a_failure_keeps_the_sources_of_an_error() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bad port")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let error = Outer("x".parse::<u16>().expect_err("no number"));
    let (cell, _) = cell();
    assert!(cell.fail(Failure::from_error(&error)));
    assert_eq!(
        cause(&cell),
        (
            FailureKind::Error,
            "bad port: invalid digit found in string".to_owned()
        )
    );
}

#[test]
fn fail_ends_a_suspended_start() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let own = attempt.token();
    let mut start = task::spawn(attempt.start(async |_| pending::<Result<(), Error>>().await));
    assert_pending!(start.poll());
    assert!(cell.fail("not up in time"));
    assert!(own.is_cancelled());
    assert!(start.is_woken());
    let refused = assert_ready!(start.poll());
    let failure = Failure::new("not up in time");
    assert_eq!(refused, Err(Error::Refused(StartError::Failed(failure))));
    assert_eq!(cell.state(), Lifecycle::Failed);
}

#[test]
fn a_cancellation_seen_by_the_flag_alone_refuses_the_commit() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    // A waker that panics inside of `cancel()` leaves later waiters unwoken.
    let foreign = on_wake(|| panic!("foreign"));
    let mut start = task::spawn(attempt.start(async |_| {
        let mut is_first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut is_first) {
                cx.waker().wake_by_ref();
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
        Ok::<_, Error>(())
    }));
    let mut wait = Box::pin(token.clone().cancelled_owned());
    let polled = wait
        .as_mut()
        .poll(&mut std::task::Context::from_waker(&foreign));
    assert!(polled.is_pending());
    assert_pending!(start.poll());
    assert!(catch_unwind(AssertUnwindSafe(|| token.cancel())).is_err());
    assert!(assert_ready!(start.poll()).is_err());
}

#[test]
fn a_served_future_whose_drop_panics_fails_the_service() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    // The captures of this future are dropped after it has ended.
    let bomb = Bomb;
    let ready = poll_fn(move |_| {
        let _bomb = &bomb;
        Poll::Ready(())
    });
    let served = attempt.start_sync(|_| Ok::<_, Error>(cell.serve(ready)));
    let mut served = task::spawn(served.expect("starts"));
    assert!(catch_unwind(AssertUnwindSafe(|| served.poll())).is_err());
    assert_eq!(
        cause(&cell),
        (
            FailureKind::Panicked,
            "panicked: in a destructor".to_owned()
        )
    );
}

#[test]
fn a_dropped_start_says_so_whatever_it_dropped_with_it() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| {
        let _served = cell.serve(pending::<()>());
        pending::<Result<(), Error>>().await
    }));
    assert_pending!(start.poll());
    drop(start);
    assert_eq!(
        cause(&cell),
        (
            FailureKind::Dropped,
            "the start was dropped before it had ended (by a `select!`, a timeout or an abort around \
             it)"
                .to_owned()
        )
    );
}

/// The causes of a running service whose served future is dropped by `lose`.
fn cause_of_a_loss<T>(lose: impl FnOnce(&StateCell) -> T) -> (FailureKind, String) {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let started: Result<(), Error> = attempt.start_sync(|_| Ok(()));
    started.expect("it starts");
    lose(&cell);
    cause(&cell)
}

#[test]
fn a_served_future_that_is_not_spawned_is_named_by_its_line() {
    let line = line!() + 1;
    let lost = cause_of_a_loss(|cell| drop(cell.serve(pending::<()>())));
    let message = format!(
        "the future served at {}:{line} was dropped before it had run: it was not spawned, or its task \
         was aborted, or the runtime was shut down",
        file!()
    );
    assert_eq!(lost, (FailureKind::Dropped, message.clone()));

    let lost = cause_of_a_loss(|cell| drop(cell.serve_local(pending::<()>())));
    assert_ne!(lost.1, message, "the line of another call");
    assert!(
        lost.1.contains("before it had run: it was not spawned"),
        "{lost:?}"
    );
}

#[test]
fn a_served_future_that_is_aborted_is_named_by_its_line() {
    let line = line!() + 2;
    let lost = cause_of_a_loss(|cell| {
        let mut served = task::spawn(cell.serve(pending::<()>()));
        assert_pending!(served.poll());
    });
    let message = format!(
        "the future served at {}:{line} was dropped before it had ended: its task was aborted, or the \
         runtime was shut down",
        file!()
    );
    assert_eq!(lost, (FailureKind::Dropped, message));
}

/// It waits for the publication when its task is aborted, so it was spawned.
#[test]
fn a_served_future_that_is_aborted_during_the_start_is_not_told_to_be_spawned() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| {
        let mut served = task::spawn(cell.serve(pending::<()>()));
        assert_pending!(served.poll());
        drop(served);
        pending::<Result<(), Error>>().await
    }));
    let refused = assert_ready!(start.poll()).expect_err("it has lost what it serves");
    let message = refused.to_string();
    assert!(
        message.contains("was dropped before it had ended: its task was aborted"),
        "{message}"
    );
}

#[test]
fn a_cancelled_start_says_so_although_it_dropped_a_served_future() {
    let (cell, token) = cell();
    let attempt = cell.begin(&token).expect("it begins");
    let mut start = task::spawn(attempt.start(async |_| {
        let _served = cell.serve(pending::<()>());
        pending::<Result<(), Error>>().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    let refused = assert_ready!(start.poll());
    assert_eq!(refused, Err(Error::Refused(StartError::Cancelled)));
    assert_eq!(cause(&cell).0, FailureKind::Cancelled);
}
