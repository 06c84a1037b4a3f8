//! What is served, guarded and tracked, against the publication, a refusal and each other's end: G4.

use std::future::{pending, ready};
use std::sync::Arc;

use super::harness::{
    block_on, bounded, cancelling, drive, kind_of_failure, model, never, new_cell, observing,
    poll_once, start_with, thread, wait,
};
use crate::{CancellationToken, FailureKind, Lifecycle, StartError};

type Started = Result<(), StartError>;

/// A served future that is polled before the service is up is woken when it is.
#[test]
fn serve_never_misses_the_publication() {
    let outcomes = ["after a wait", "at once"];
    model("serve ∥ publication", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let served = cell.serve(ready(()));
        let serving = thread::spawn({
            let seen = seen.clone();
            move || {
                let (output, waited) = wait(served);
                assert_eq!(output, Some(()));
                seen.saw(waited);
            }
        });
        let attempt = attempt.expect("the cell is in INITIAL");
        assert_eq!(attempt.start_sync(|_| Started::Ok(())), Ok(()));
        serving.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Stopped);
    });
}

/// The same for a future that only its own task can drop, and a refusal.
#[test]
fn a_local_part_never_misses_the_refusal() {
    let outcomes = ["after a wait", "at once"];
    model("serve_local ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let dropping = thread::spawn(move || drop(attempt));
        let (output, waited) = wait(cell.serve_local(pending::<()>()));
        assert_eq!(output, None);
        dropping.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Dropped);
        seen.saw(waited);
    });
}

/// A part joins from outside of the body while the start is under way.
#[test]
fn what_comes_to_be_served_is_counted() {
    let outcomes = ["joined", "too late"];
    model("serve comes ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let serving = thread::spawn({
            let cell = cell.clone();
            move || {
                let mut served = Box::pin(cell.serve(pending::<()>()));
                let is_part = poll_once(served.as_mut()).is_pending();
                drop(served);
                is_part
            }
        });
        drop(attempt);
        let is_part = serving.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw(if is_part { "joined" } else { "too late" });
    });
}

#[test]
fn cancel_and_the_end_of_a_served_future() {
    let outcomes = ["after cancel(): Stopped", "after cancel(): Stopping"];
    bounded(5, "cancel ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let served = start_with(&cell, &token, || cell.serve(ready(())));
        let cancelling = cancelling(&cell, &token, seen);
        assert_eq!(block_on(served), Some(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        cancelling.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Stopped, "the end stays");
    });
}

#[test]
fn the_end_of_two_served_futures() {
    model("serve's end ∥ serve's end", &["stopped"], |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || {
            [(); 2].map(|()| cell.serve(ready(())))
        });
        let [mine, other] = served;
        let other = thread::spawn(move || block_on(other));
        assert_eq!(block_on(mine), Some(()));
        assert_eq!(other.join().expect("no panic"), Some(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw("stopped");
    });
}

#[test]
fn the_end_of_one_part_and_the_failure_of_another() {
    let outcomes = ["failed"];
    bounded(5, "serve's end ∥ serve's failure", &outcomes, |seen| {
        let cell = new_cell();
        let (ends, fails) = start_with(&cell, &CancellationToken::new(), || {
            (cell.serve(ready(())), cell.serve(ready(None::<()>)))
        });
        let failing = thread::spawn(move || block_on(fails));
        assert_eq!(block_on(ends), Some(()));
        assert_eq!(failing.join().expect("no panic"), Some(None));
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Error);
        seen.saw("failed");
    });
}

/// A client joins while the last serving part ends.
#[test]
fn a_client_joins_beside_the_end_of_the_last_part() {
    let outcomes = ["joined", "refused"];
    bounded(4, "track joins ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || cell.serve(ready(())));
        let serving = thread::spawn(move || block_on(served));
        let client = {
            let cell = cell.clone();
            async move { assert!(cell.state() < Lifecycle::Stopped, "G4") }
        };
        let joined = block_on(cell.track(client)).is_some();
        assert_eq!(serving.join().expect("no panic"), Some(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw(if joined { "joined" } else { "refused" });
    });
}

/// A part joins while the last serving part ends: it is dropped, or runs while the service does.
#[test]
fn a_part_joins_beside_the_end_of_the_last_part() {
    let outcomes = ["joined", "refused"];
    bounded(4, "serve joins ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || cell.serve(ready(())));
        let serving = thread::spawn(move || block_on(served));
        let part = {
            let cell = cell.clone();
            async move { assert!(cell.state() < Lifecycle::Stopped, "G4") }
        };
        let joined = block_on(cell.serve(part)).is_some();
        assert_eq!(serving.join().expect("no panic"), Some(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw(if joined { "joined" } else { "refused" });
    });
}

#[test]
fn a_guard_is_dropped_beside_a_refusal() {
    let outcomes = ["after the refusal: Failed", "after the refusal: Starting"];
    model("guard dropped ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let guard = cell.serve_guard();
        let refusing = thread::spawn({
            let (cell, seen) = (cell.clone(), seen.clone());
            move || {
                token.cancel();
                let refused = block_on(attempt.start(async |_| Started::Ok(())));
                assert_eq!(refused, Err(StartError::Cancelled));
                seen.saw(format_args!("after the refusal: {:?}", cell.state()));
            }
        });
        drop(guard);
        refusing.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Cancelled);
    });
}

/// The service is over before or after it is up. It never stays up without what serves.
#[test]
fn a_guard_is_dropped_beside_the_commit() {
    let outcomes = [
        "observed Running",
        "observed Starting",
        "observed Stopped",
        "observed Stopping",
    ];
    bounded(
        2,
        "guard dropped ∥ commit ∥ observer",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let attempt = cell.begin(&CancellationToken::new());
            let guard = cell.serve_guard();
            let dropping = thread::spawn(move || drop(guard));
            let observing = observing(&cell, seen, |_| ());
            let attempt = attempt.expect("the cell is in INITIAL");
            assert_eq!(attempt.start_sync(|_| Started::Ok(())), Ok(()));
            dropping.join().expect("no panic");
            observing.join().expect("no panic");
            assert_eq!(cell.state(), Lifecycle::Stopped);
        },
    );
}

/// Whichever call drops the served future last, it is gone when the start has been refused.
#[test]
fn a_served_future_is_lost_while_the_start_is_refused() {
    let outcomes = ["refused as cancelled", "refused as failed"];
    bounded(5, "drop of served ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let gone = Arc::new(());
        let slot = std::sync::Mutex::new(None);
        let mut start = Box::pin(drive(&cell, &token, async {
            let part = Arc::clone(&gone);
            let served = cell.serve(async move {
                let _ = &part;
            });
            *slot.lock().expect("not poisoned") = Some(served);
            never().await
        }));
        assert!(poll_once(start.as_mut()).is_pending());
        let served = slot.lock().expect("not poisoned").take();
        let dropping = thread::spawn(move || drop(served));
        token.cancel();
        let result = block_on(start);
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(Arc::strong_count(&gone), 1, "the future is gone");
        seen.saw(match result {
            Err(StartError::Cancelled) => "refused as cancelled",
            Err(StartError::Failed(_)) => "refused as failed",
            result => panic!("{result:?}"),
        });
        dropping.join().expect("no panic");
    });
}

/// The same for a client: the refused start does not wait for it, `FAILED` does.
#[test]
fn a_client_is_lost_while_the_start_is_refused() {
    let outcomes = ["after the refusal: Failed", "after the refusal: Starting"];
    model("drop of tracked ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let gone = Arc::new(());
        let tracked = cell.track({
            let part = Arc::clone(&gone);
            async move { drop(part) }
        });
        let refusing = thread::spawn({
            let (cell, gone, seen) = (cell.clone(), Arc::clone(&gone), seen.clone());
            move || {
                token.cancel();
                let refused = block_on(attempt.start(async |_| Started::Ok(())));
                assert_eq!(refused, Err(StartError::Cancelled));
                let state = cell.state();
                let is_left = Arc::strong_count(&gone) > 2;
                assert!(state < Lifecycle::Failed || !is_left, "the client is left");
                seen.saw(format_args!("after the refusal: {state:?}"));
            }
        });
        drop(tracked);
        refusing.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Cancelled);
    });
}

/// A served future is polled while the start is refused: it is dropped, and its task is woken.
#[test]
fn serve_never_misses_the_refusal() {
    let outcomes = ["after a wait", "at once"];
    model("serve ∥ refusal", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let served = cell.serve(pending::<()>());
        let serving = thread::spawn({
            let (cell, seen) = (cell.clone(), seen.clone());
            move || {
                let (output, waited) = wait(served);
                assert_eq!((output, cell.state()), (None, Lifecycle::Failed));
                seen.saw(waited);
            }
        });
        drop(attempt);
        serving.join().expect("no panic");
    });
}

/// A future that joins a refused attempt, which waits for a guard, is dropped at once.
#[test]
fn a_part_joins_beside_a_refusal_that_waits_for_a_guard() {
    let outcomes = ["served: None", "tracked: None"];
    bounded(
        4,
        "serve, track join ∥ refusal with a guard",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let attempt = cell.begin(&CancellationToken::new());
            let guard = cell.serve_guard();
            let refusing = thread::spawn(move || drop(attempt));
            seen.saw(format_args!(
                "served: {:?}",
                block_on(cell.serve(pending::<()>()))
            ));
            seen.saw(format_args!(
                "tracked: {:?}",
                block_on(cell.track(pending::<()>()))
            ));
            refusing.join().expect("no panic");
            assert_eq!(cell.state(), Lifecycle::Starting, "the guard is left");
            drop(guard);
            assert_eq!(cell.state(), Lifecycle::Failed);
        },
    );
}

/// The future sees the flag of its token before `cancel()` comes to the cell.
#[test]
fn cancel_and_a_served_future_that_fails_by_its_token() {
    bounded(4, "cancel ∥ serve fails by its token", &["true"], |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let served = start_with(&cell, &token, || {
            let own = cell.token().expect("an attempt is under way");
            cell.serve(async move {
                own.cancelled_owned().await;
                None::<()>
            })
        });
        let cancelling = thread::spawn(move || token.cancel());
        assert_eq!(block_on(served), Some(None));
        cancelling.join().expect("no panic");
        seen.saw(cell.failure().expect("a cause").was_told_to_end());
    });
}
