//! The publication of a `run`, by its body or by its publisher, and shields, against `cancel()`.

use std::cell::Cell;
use std::future::{pending, ready};

use loom::sync::atomic::{AtomicBool, Ordering};

use super::harness::{
    block_on, bounded, cancelling, kind_of_failure, model, never, new_cell, poll_once, thread,
    yield_once,
};
use crate::__private::{on_refused_default, shield, start};
use crate::{CancellationToken, FailureKind, Lifecycle, StartError};

type Started = Result<(), StartError>;

/// The outcomes of a run whose body publishes and returns, against `cancel()`.
const RACED: [&str; 7] = [
    "after cancel(): Created",
    "after cancel(): Failed",
    "after cancel(): Starting",
    "after cancel(): Stopped",
    "after cancel(): Stopping",
    "refused",
    "ran to its end",
];

#[test]
fn store_and_cancel() {
    bounded(6, "cancel ∥ store(RUNNING)", &RACED, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let cancelling = cancelling(&cell, &token, seen);
        let start = start(&cell);
        let run = start.guard_by(&token).run();
        let result: Started = block_on(run.drive(on_refused_default(), async {
            start.store(Lifecycle::Running);
            Ok(())
        }));
        cancelling.join().expect("no panic");
        assert!(cell.state() >= Lifecycle::Stopped);
        seen.saw(match result {
            Ok(()) => "ran to its end",
            Err(StartError::Cancelled) => "refused",
            Err(error) => panic!("{error:?}"),
        });
    });
}

#[test]
fn publication_at_entry_and_cancel() {
    bounded(6, "cancel ∥ run published at entry", &RACED, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let cancelling = cancelling(&cell, &token, seen);
        let start = start(&cell);
        let run = start.guard_by(&token).run_published();
        let result: Started = block_on(run.drive(on_refused_default(), ready(Ok(()))));
        cancelling.join().expect("no panic");
        assert!(cell.state() >= Lifecycle::Stopped);
        seen.saw(match result {
            Ok(()) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "ran to its end"
            }
            Err(StartError::Cancelled) => {
                assert_eq!(cell.state(), Lifecycle::Failed);
                "refused"
            }
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// The body checks the token while that wakes its waiters one after the other: the registration
/// among them is not lost.
#[test]
fn two_stores_and_cancel() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Starting",
        "after cancel(): Stopping",
    ];
    bounded(6, "cancel ∥ store(RUNNING) twice", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        // The model wakes two at once, so the registration is in the second batch.
        let _others = [(); 2].map(|()| {
            let mut other = Box::pin(token.clone().cancelled_owned());
            assert!(poll_once(other.as_mut()).is_pending());
            other
        });
        let cancelling = cancelling(&cell, &token, seen);
        let start = start(&cell);
        let run = start.guard_by(&token).run();
        let mut run = Box::pin(run.drive(on_refused_default(), async {
            start.store(Lifecycle::Running);
            start.store(Lifecycle::Running);
            never().await
        }));
        let _ = poll_once(run.as_mut());
        cancelling.join().expect("no panic");
    });
}

/// A publisher says `true` if the attempt is published and was not told to stop.
#[test]
fn publisher_and_cancel() {
    let outcomes = [
        "after cancel(): Starting",
        "after cancel(): Stopping",
        "not published",
        "published",
    ];
    model("publisher ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let publisher = cell.publisher();
        let mut run = Box::pin(attempt.run(async |_own, _publisher| never().await));
        assert!(poll_once(run.as_mut()).is_pending());
        let cancelling = cancelling(&cell, &token, seen);
        let is_published = publisher.publish();
        seen.saw(if is_published {
            "published"
        } else {
            "not published"
        });
        cancelling.join().expect("no panic");
        drop(run);
        assert_eq!(cell.state(), Lifecycle::Failed);
        let kind = kind_of_failure(&cell);
        assert!(is_published || kind == FailureKind::Cancelled, "{kind:?}");
    });
}

/// A publisher on another thread than the body, which watches its token, and a third one cancels.
#[test]
fn publisher_and_cancel_and_the_body() {
    let outcomes = [
        "after cancel(): Failed",
        "after cancel(): Starting",
        "after cancel(): Stopped",
        "after cancel(): Stopping",
        "not published, ran to its end: Failed",
        "not published, refused",
        "published, ran to its end",
    ];
    bounded(2, "publisher ∥ cancel ∥ body", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let publisher = cell.publisher();
        let run = attempt.run(async |own, _publisher| {
            own.cancelled_owned().await;
            Started::Ok(())
        });
        let mut run = Box::pin(run);
        assert!(poll_once(run.as_mut()).is_pending());
        let cancelling = cancelling(&cell, &token, seen);
        let publishing = thread::spawn(move || publisher.publish());
        let result = block_on(run);
        cancelling.join().expect("no panic");
        let is_published = publishing.join().expect("no panic");
        seen.saw(match (is_published, result, cell.state()) {
            (true, Ok(()), Lifecycle::Stopped) => "published, ran to its end",
            (false, Ok(()), Lifecycle::Failed) => "not published, ran to its end: Failed",
            (false, Err(StartError::Cancelled), Lifecycle::Failed) => "not published, refused",
            results => panic!("{results:?}"),
        });
    });
}

/// Publication needs the body.
#[test]
fn publisher_and_the_end_of_the_body() {
    let outcomes = ["not published, Ok", "published, Ok"];
    model("publisher ∥ body's end", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let attempt = attempt.expect("the cell is in INITIAL");
        let publisher = cell.publisher();
        let ending = thread::spawn({
            let cell = cell.clone();
            move || {
                let result = block_on(attempt.run(async |_own, _publisher| Started::Ok(())));
                assert_eq!((result, cell.state()), (Ok(()), Lifecycle::Stopped));
            }
        });
        let is_published = publisher.publish();
        ending.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw(if is_published {
            "published, Ok"
        } else {
            "not published, Ok"
        });
    });
}

/// A shielded step begins only in a start that is not cancelled, and then runs to its end.
#[test]
fn shield_and_cancel() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Starting",
        "after cancel(): Stopped",
        "refused after the step",
        "refused before the step",
        "started",
    ];
    bounded(4, "cancel ∥ shield", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let cancelling = cancelling(&cell, &token, seen);
        let [has_begun, has_ended] = [(); 2].map(|()| Cell::new(false));
        let start = start(&cell);
        let options = start.guard_by(&token);
        let result: Started = block_on(options.drive(on_refused_default(), async {
            let shield = shield(&start).await;
            has_begun.set(true);
            yield_once().await;
            has_ended.set(true);
            drop(shield);
            Ok(())
        }));
        assert_eq!(has_begun.get(), has_ended.get(), "nothing interrupts it");
        cancelling.join().expect("no panic");
        seen.saw(match result {
            Ok(()) => "started",
            Err(_) if has_begun.get() => "refused after the step",
            Err(_) => "refused before the step",
        });
    });
}

/// If `cancel()` has returned before the shield is raised, the step does not begin.
#[test]
fn no_shield_is_raised_after_cancel() {
    let outcomes = ["begun before cancel() returned", "not begun"];
    bounded(4, "cancel ∥ shield, flag", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let has_returned = std::sync::Arc::new(AtomicBool::new(false));
        let cancelling = thread::spawn({
            let (token, has_returned) = (token.clone(), has_returned.clone());
            move || {
                token.cancel();
                has_returned.store(true, Ordering::Release);
            }
        });
        let has_begun = Cell::new(false);
        let start = start(&cell);
        let options = start.guard_by(&token);
        let _: Started = block_on(options.drive(on_refused_default(), async {
            let is_cancelled = has_returned.load(Ordering::Acquire);
            let shield = shield(&start).await;
            assert!(!is_cancelled, "cancel() has returned");
            has_begun.set(true);
            drop(shield);
            Ok(())
        }));
        cancelling.join().expect("no panic");
        seen.saw(if has_begun.get() {
            "begun before cancel() returned"
        } else {
            "not begun"
        });
    });
}

/// The run fails itself while it is cancelled: the cell ends in one way, with a cause.
#[test]
fn a_dropped_run_and_cancel() {
    let outcomes = [
        "after cancel(): Failed",
        "after cancel(): Stopping",
        "dropped after it was told to end",
        "dropped before",
    ];
    bounded(5, "drop of a run ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let mut run = Box::pin(attempt.run(async |_own, publisher| {
            assert!(publisher.publish());
            pending::<Started>().await
        }));
        assert!(poll_once(run.as_mut()).is_pending());
        let cancelling = cancelling(&cell, &token, seen);
        drop(run);
        assert_eq!(cell.state(), Lifecycle::Failed);
        let failure = cell.failure().expect("a cause");
        assert_eq!(failure.kind(), FailureKind::Dropped);
        cancelling.join().expect("no panic");
        seen.saw(if failure.was_told_to_end() {
            "dropped after it was told to end"
        } else {
            "dropped before"
        });
    });
}
