//! A start against `cancel()`, another start, `fail` and its own drop: G1 to G3, G5 and G6.

use std::cell::Cell;
use std::future::ready;
use std::pin::pin;
use std::task::Poll;

use super::harness::{
    Outcomes, block_on, bounded, cancelling, drive, drive_again, kind_of_failure, model, never,
    new_cell, poll_once, start_service, thread,
};
use crate::__private::{on_refused_default, start};
use crate::{CancellationToken, FailureKind, Lifecycle, StartError, StateCell};

type Started = Result<(), StartError>;

/// The outcomes of a start against `cancel()`. The service has no parts.
const RACED: [&str; 7] = [
    "after cancel(): Created",
    "after cancel(): Failed",
    "after cancel(): Starting",
    "after cancel(): Stopped",
    "refused at entry",
    "refused with its body",
    "started",
];

/// Cancels a token against `start`, which calls its last argument in the body.
fn cancel_against_start(
    seen: &Outcomes,
    derive: impl FnOnce(&CancellationToken) -> CancellationToken,
    start: impl FnOnce(&StateCell, &CancellationToken, &dyn Fn()) -> Started,
) {
    let cell = new_cell();
    let token = CancellationToken::new();
    let guard = derive(&token);
    let cancelling = cancelling(&cell, &token, seen);
    let had_body = Cell::new(false);
    let result = start(&cell, &guard, &|| had_body.set(true));
    if let Err(error) = &result {
        assert_eq!(*error, StartError::Cancelled);
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Cancelled);
    }
    cancelling.join().expect("no panic");
    seen.saw(match result {
        Ok(()) => {
            assert_eq!(cell.state(), Lifecycle::Stopped);
            "started"
        }
        Err(_) if had_body.get() => "refused with its body",
        Err(_) => "refused at entry",
    });
}

#[test]
fn cancel_and_start() {
    model("cancel ∥ start", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, |cell, token, in_body| {
            block_on(drive(cell, token, async {
                in_body();
                Ok(())
            }))
        });
    });
}

#[test]
fn cancel_and_start_that_sees_a_child() {
    bounded(4, "cancel ∥ start, child", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, |cell, token, in_body| {
            let start = start(cell);
            let options = start.guard_by_child(token);
            block_on(options.drive(on_refused_default(), async {
                let _own = start.child(token);
                in_body();
                Ok(())
            }))
        });
    });
}

#[test]
fn cancel_of_the_parent_and_start() {
    bounded(6, "cancel of the parent ∥ start", &RACED, |seen| {
        cancel_against_start(
            seen,
            CancellationToken::child_token,
            |cell, token, in_body| {
                block_on(drive(cell, token, async {
                    in_body();
                    Ok(())
                }))
            },
        );
    });
}

#[test]
fn cancel_and_attempt() {
    bounded(4, "cancel ∥ begin, start", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, |cell, token, in_body| {
            block_on(cell.begin(token)?.start(async |_own| {
                in_body();
                Ok(())
            }))
        });
    });
}

#[test]
fn cancel_and_sync_attempt() {
    bounded(4, "cancel ∥ begin, start_sync", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, |cell, token, in_body| {
            cell.begin(token)?.start_sync(|_own| {
                in_body();
                Ok(())
            })
        });
    });
}

/// The second caller may return before the first one, which is a documented limit. When both have
/// returned, the guarantee holds.
#[test]
fn two_cancel_a_start() {
    let outcomes = ["one of them saw Running", "refused", "started"];
    bounded(3, "cancel ∥ cancel ∥ start", &outcomes, |seen| {
        cancel_twice_against_start(seen, CancellationToken::clone);
    });
}

/// The same limit: the parent's call skips a child that is flagged already.
#[test]
fn child_and_parent_are_cancelled_beside_a_start() {
    let outcomes = ["one of them saw Running", "refused", "started"];
    bounded(
        2,
        "cancel ∥ cancel of the parent ∥ start",
        &outcomes,
        |seen| cancel_twice_against_start(seen, CancellationToken::child_token),
    );
}

fn cancel_twice_against_start(
    seen: &Outcomes,
    derive: impl FnOnce(&CancellationToken) -> CancellationToken,
) {
    let cell = new_cell();
    let token = CancellationToken::new();
    let guard = derive(&token);
    let cancelling = [token, guard.clone()].map(|token| {
        let cell = cell.clone();
        thread::spawn(move || {
            token.cancel();
            cell.is_running()
        })
    });
    let result = block_on(drive(&cell, &guard, ready(Started::Ok(()))));
    let running = cancelling.map(|thread| thread.join().expect("no panic"));
    assert_ne!(running, [true, true], "one of them was the cancelling call");
    if running != [false, false] {
        seen.saw("one of them saw Running");
    }
    match result {
        Ok(()) => {
            assert_eq!(cell.state(), Lifecycle::Stopped);
            seen.saw("started");
        }
        Err(error) => {
            assert_eq!(error, StartError::Cancelled);
            assert_eq!(cell.state(), Lifecycle::Failed);
            seen.saw("refused");
        }
    }
}

/// A running service, whose token and the parent of that are cancelled at once.
#[test]
fn child_and_parent_are_cancelled_beside_a_service() {
    let outcomes = ["one of them saw Running", "neither of them saw Running"];
    model(
        "cancel ∥ cancel of the parent, running",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let parent = CancellationToken::new();
            let token = parent.child_token();
            start_service(&cell, &token);
            let cancelling = thread::spawn({
                let (cell, token) = (cell.clone(), token.clone());
                move || {
                    token.cancel();
                    cell.is_running()
                }
            });
            parent.cancel();
            let mine = cell.is_running();
            let other = cancelling.join().expect("no panic");
            assert!(!(mine && other), "one of them was the cancelling call");
            assert_eq!(cell.state(), Lifecycle::Stopped);
            seen.saw(if mine || other {
                "one of them saw Running"
            } else {
                "neither of them saw Running"
            });
        },
    );
}

#[test]
fn cancel_wakes_a_start_that_waits() {
    let outcomes = ["refused at entry", "refused where it waited"];
    model("cancel ∥ waiting start", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        let had_body = Cell::new(false);
        let result = block_on(drive(&cell, &token, async {
            had_body.set(true);
            never().await
        }));
        assert_eq!(result, Err(StartError::Cancelled));
        assert_eq!(cell.state(), Lifecycle::Failed);
        cancelling.join().expect("no panic");
        seen.saw(if had_body.get() {
            "refused where it waited"
        } else {
            "refused at entry"
        });
    });
}

#[test]
fn two_starts() {
    let outcomes = [
        "mine lost to Running",
        "mine lost to Starting",
        "the other lost to Running",
        "the other lost to Starting",
    ];
    model("start ∥ start", &outcomes, |seen| {
        let cell = new_cell();
        let other = thread::spawn({
            let cell = cell.clone();
            move || {
                let token = CancellationToken::new();
                block_on(drive(&cell, &token, ready(Started::Ok(()))))
            }
        });
        let token = CancellationToken::new();
        let mine = block_on(drive(&cell, &token, ready(Started::Ok(()))));
        let other = other.join().expect("no panic");
        assert!(mine.is_ok() != other.is_ok(), "{mine:?} {other:?}");
        for (start, result) in [("mine", mine), ("the other", other)] {
            match result {
                Ok(()) => {}
                Err(StartError::NotStartable { state }) => {
                    seen.saw(format_args!("{start} lost to {state}"));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(cell.state(), Lifecycle::Running);
    });
}

/// The registration of a start does nothing until that start has won the cell.
#[test]
fn cancelling_the_loser() {
    let outcomes = [
        "the loser lost to Running",
        "the loser lost to Starting",
        "the loser was first, and was stopped",
    ];
    model("cancel of the loser ∥ winner", &outcomes, |seen| {
        let cell = new_cell();
        let other = thread::spawn({
            let cell = cell.clone();
            move || {
                let token = CancellationToken::new();
                let start = pin!(drive(&cell, &token, ready(Started::Ok(()))));
                let polled = poll_once(start);
                token.cancel();
                polled
            }
        });
        let token = CancellationToken::new();
        let mine = block_on(drive(&cell, &token, ready(Started::Ok(()))));
        match (mine, other.join().expect("no panic")) {
            (Ok(()), Poll::Ready(Err(StartError::NotStartable { state }))) => {
                assert_eq!(cell.state(), Lifecycle::Running, "it was not stopped");
                seen.saw(format_args!("the loser lost to {state}"));
            }
            (Err(StartError::NotStartable { .. }), Poll::Ready(Ok(()))) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                seen.saw("the loser was first, and was stopped");
            }
            results => panic!("one attempt: {results:?}"),
        }
    });
}

/// A refusal at entry beside a start: one of the two has the cell.
#[test]
fn a_refusal_at_entry_and_a_start() {
    let outcomes = ["the refusal", "the start"];
    model("refusal ∥ start", &outcomes, |seen| {
        let cell = new_cell();
        let starting = thread::spawn({
            let cell = cell.clone();
            move || {
                let token = CancellationToken::new();
                block_on(drive(&cell, &token, ready(Started::Ok(()))))
            }
        });
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let refused = block_on(drive(&cell, &cancelled, ready(Started::Ok(()))));
        let started = starting.join().expect("no panic");
        seen.saw(match (refused, started) {
            (Err(StartError::Cancelled), Err(StartError::NotStartable { state })) => {
                assert_eq!((state, cell.state()), ("Failed", Lifecycle::Failed));
                "the refusal"
            }
            (Err(StartError::NotStartable { .. }), Ok(())) => {
                assert_eq!(cell.state(), Lifecycle::Running);
                "the start"
            }
            results => panic!("{results:?}"),
        });
    });
}

/// The wake for a former attempt arrives while the next one is under way.
#[test]
fn a_late_wake_and_a_restart() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Running",
        "after cancel(): Starting",
        "the first was cancelled",
        "the first was dropped",
    ];
    bounded(6, "cancel ∥ restart", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let (cell, token, seen) = (cell.clone(), token.clone(), seen.clone());
            move || {
                token.cancel();
                seen.saw(format_args!("after cancel(): {:?}", cell.state()));
            }
        });
        {
            let first = pin!(drive(&cell, &token, never()));
            let _ = poll_once(first);
        }
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw(match kind_of_failure(&cell) {
            FailureKind::Cancelled => "the first was cancelled",
            FailureKind::Dropped => "the first was dropped",
            kind => panic!("{kind:?}"),
        });
        let other = CancellationToken::new();
        let again = block_on(drive_again(&cell, &other, ready(Started::Ok(()))));
        assert_eq!(again, Ok(()), "this one was not cancelled");
        cancelling.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Running);
    });
}

#[test]
fn start_and_fail() {
    let outcomes = ["refused", "started", "too late to start"];
    model("start ∥ fail", &outcomes, |seen| {
        let cell = new_cell();
        let failing = thread::spawn({
            let cell = cell.clone();
            move || {
                assert!(cell.fail("disk full"));
                assert_ne!(cell.state(), Lifecycle::Running);
            }
        });
        let token = CancellationToken::new();
        let result = block_on(drive(&cell, &token, ready(Started::Ok(()))));
        failing.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Error);
        seen.saw(match result {
            Ok(()) => "started",
            Err(StartError::Failed(_)) => "refused",
            Err(StartError::NotStartable { state: "Failed" }) => "too late to start",
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// The first cause stays, and the result agrees with it.
#[test]
fn fail_and_cancel() {
    let outcomes = ["cancelled first", "failed first"];
    model("fail ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let mut start = Box::pin(drive(&cell, &token, never()));
        assert!(poll_once(start.as_mut()).is_pending());
        let failing = thread::spawn({
            let cell = cell.clone();
            move || cell.fail("disk full")
        });
        token.cancel();
        let result = block_on(start);
        let was_first = failing.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        match (result, kind_of_failure(&cell)) {
            (Err(StartError::Failed(_)), FailureKind::Error) if was_first => {
                seen.saw("failed first");
            }
            (Err(StartError::Cancelled), FailureKind::Cancelled) if !was_first => {
                seen.saw("cancelled first");
            }
            results => panic!("{was_first} {results:?}"),
        }
    });
}

#[test]
fn drop_of_the_start_and_cancel() {
    model("drop ∥ cancel", &["cancelled", "dropped"], |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let mut start = Box::pin(drive(&cell, &token, never()));
        assert!(poll_once(start.as_mut()).is_pending());
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        drop(start);
        assert_eq!(cell.state(), Lifecycle::Failed);
        cancelling.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw(match kind_of_failure(&cell) {
            FailureKind::Cancelled => "cancelled",
            FailureKind::Dropped => "dropped",
            kind => panic!("{kind:?}"),
        });
    });
}

/// Every lock of a shared token is one that threads wait for.
#[test]
fn a_start_locks_its_token_four_times_and_its_waiters_once() {
    model("locks of a start", &["4 + 1"], |seen| {
        let (cell, token) = (new_cell(), CancellationToken::new());
        let before = token.locks();
        start_service(&cell, &token);
        let [node, waiters] = token.locks();
        seen.saw(format_args!(
            "{} + {}",
            node - before[0],
            waiters - before[1]
        ));
    });
}
