//! Other waiters on the token of a start, whose wakers panic inside of `cancel()`.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::harness::*;
use super::token::register;
use crate::{CancellationToken, Lifecycle, StartError};

type Started = Result<(), StartError>;

/// Cancels a token one of whose waiters panics.
fn cancel_with_panic(token: &CancellationToken) {
    let panic = catch_unwind(AssertUnwindSafe(|| token.cancel()));
    assert!(panic.is_err(), "the foreign waker panics");
}

/// A foreign waker that was registered after the cell: the cell has moved before the panic.
#[test]
fn a_later_waker_panics_beside_the_commit() {
    let outcomes = ["refused", "started, and stopped"];
    bounded(5, "panic in a later waker ∥ commit", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let (_wait, _) = register(&token, true);
        let cancelling = thread::spawn({
            let (cell, token) = (cell.clone(), token.clone());
            move || {
                cancel_with_panic(&token);
                assert_ne!(cell.state(), Lifecycle::Running, "cancel() is over");
            }
        });
        let result = attempt.start_sync(|_| Started::Ok(()));
        cancelling.join().expect("no panic");
        seen.saw(match result {
            Ok(()) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "started, and stopped"
            }
            Err(StartError::Cancelled) => {
                assert_eq!(cell.state(), Lifecycle::Failed);
                "refused"
            }
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// The limit that the README states: after a panic in an earlier waker the cell is not woken. The
/// flag is checked before the commit, so the start is late only if the flag was set after that.
/// What has started reads `RUNNING` until it is stopped otherwise.
#[test]
fn an_earlier_waker_panics_beside_the_commit() {
    let outcomes = ["published before", "published late", "refused"];
    bounded(
        5,
        "panic in an earlier waker ∥ commit",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let token = CancellationToken::new();
            let (_wait, _) = register(&token, true);
            let cancelling = thread::spawn({
                let (cell, token) = (cell.clone(), token.clone());
                move || {
                    cancel_with_panic(&token);
                    cell.is_running()
                }
            });
            let result = block_on(drive(&cell, &token, ready(Started::Ok(()))));
            let was_running = cancelling.join().expect("no panic");
            seen.saw(match result {
                Ok(()) => {
                    assert_eq!(cell.state(), Lifecycle::Running, "nobody has moved it");
                    assert!(cell.request_stop());
                    assert_eq!(cell.state(), Lifecycle::Stopped);
                    if was_running {
                        "published before"
                    } else {
                        "published late"
                    }
                }
                Err(StartError::Cancelled) => {
                    assert!(!was_running);
                    assert_eq!(cell.state(), Lifecycle::Failed);
                    "refused"
                }
                Err(error) => panic!("{error:?}"),
            });
        },
    );
}

/// An attempt that has an own token is not concerned: a child is woken before the waiters of the
/// cancelled token.
#[test]
fn an_earlier_waker_panics_beside_the_commit_of_an_attempt_with_an_own_token() {
    let outcomes = ["refused", "started, and stopped"];
    bounded(5, "panic ∥ commit with an own token", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let (_wait, _) = register(&token, true);
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let _own = attempt.token();
        let cancelling = thread::spawn({
            let (cell, token) = (cell.clone(), token.clone());
            move || {
                cancel_with_panic(&token);
                assert_ne!(cell.state(), Lifecycle::Running, "cancel() is over");
            }
        });
        let result = attempt.start_sync(|_| Started::Ok(()));
        cancelling.join().expect("no panic");
        seen.saw(match result {
            Ok(()) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "started, and stopped"
            }
            Err(StartError::Cancelled) => {
                assert_eq!(cell.state(), Lifecycle::Failed);
                "refused"
            }
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// If `cancel()` has panicked before the commit checks the flag, the start is refused.
#[test]
fn the_flag_refuses_a_start_that_is_not_woken() {
    model("panic in an earlier waker, commit", &["refused"], |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let (_wait, _) = register(&token, true);
        let attempt = cell.begin(&token).expect("the cell is in INITIAL");
        let cancelling = thread::spawn(move || cancel_with_panic(&token));
        cancelling.join().expect("no panic");
        let result = block_on(attempt.start(|_| ready(Started::Ok(()))));
        assert_eq!(result, Err(StartError::Cancelled));
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw("refused");
    });
}

/// A waiter on the own token panics while the cell cancels that: the panic does not leave, and the
/// service ends.
#[test]
fn a_waker_on_the_own_token_panics() {
    let outcomes = ["after stop: Stopped", "after stop: Stopping"];
    bounded(
        5,
        "panic on the own token ∥ last part",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let (own, guard) = start_with(&cell, &CancellationToken::new(), || {
                let own = cell.token().expect("an attempt is under way");
                (own, cell.serve_guard())
            });
            let (_wait, _) = register(&own, true);
            let stopping = thread::spawn({
                let (cell, own, seen) = (cell.clone(), own.clone(), seen.clone());
                move || {
                    assert!(cell.request_stop());
                    assert!(own.is_cancelled());
                    seen.saw(format_args!("after stop: {:?}", cell.state()));
                }
            });
            drop(guard);
            stopping.join().expect("no panic");
            assert_eq!(cell.state(), Lifecycle::Stopped);
        },
    );
}
