//! The attempt's own token: it is cancelled before `STOPPED` or `FAILED` can be read, and when the
//! first call that told the attempt to end has returned.

use super::harness::{
    Outcomes, block_on, bounded, drive_again, model, new_cell, observing, start_service,
    start_with, thread,
};
use crate::{CancellationToken, Lifecycle, ServeGuard, StartError, StateCell};

/// A running service with a guard, its own token, and the token that guards it.
struct Service {
    cell: StateCell,
    guarding: CancellationToken,
    own: CancellationToken,
    guard: ServeGuard<Lifecycle>,
}

fn running_service() -> Service {
    let cell = new_cell();
    let guarding = CancellationToken::new();
    let (own, guard) = start_with(&cell, &guarding, || {
        let own = cell.token().expect("an attempt is under way");
        (own, cell.serve_guard())
    });
    Service {
        cell,
        guarding,
        own,
        guard,
    }
}

/// `request_stop` beside another call that tells the service to end: when it has returned `true`,
/// the own token is cancelled, whichever came first.
fn request_stop_and(
    name: &str,
    outcomes: &[&str],
    other: impl Fn(&Service) + Copy + Send + Sync + 'static,
) {
    model(name, outcomes, move |seen| {
        let service = running_service();
        let stopping = thread::spawn({
            let (cell, own) = (service.cell.clone(), service.own.clone());
            move || {
                assert!(cell.request_stop(), "the first since the cell was made");
                assert!(own.is_cancelled(), "request_stop() has returned true");
                assert_eq!(cell.state(), Lifecycle::Stopping, "the guard is left");
            }
        });
        other(&service);
        stopping.join().expect("no panic");
        drop(service.guard);
        assert!(service.cell.stop_requested());
        seen.saw(format_args!("{:?}", service.cell.state()));
    });
}

#[test]
fn request_stop_and_cancel() {
    request_stop_and("request_stop ∥ cancel", &["Stopped"], |service| {
        service.guarding.cancel();
    });
}

#[test]
fn request_stop_and_cancel_of_the_own_token() {
    request_stop_and("request_stop ∥ cancel of own", &["Stopped"], |service| {
        service.own.cancel();
    });
}

#[test]
fn request_stop_and_fail() {
    let outcomes = ["Failed"];
    request_stop_and("request_stop ∥ fail", &outcomes, |service| {
        assert!(service.cell.fail("disk full"), "the first cause");
    });
}

#[test]
fn request_stop_and_transition() {
    request_stop_and("request_stop ∥ transition", &["Stopped"], |service| {
        let (from, to) = (Lifecycle::Running, Lifecycle::Stopping);
        let _ = service.cell.transition(from, to);
    });
}

/// The service ends meanwhile.
#[test]
fn request_stop_and_the_last_part() {
    let outcomes = [
        "after request_stop(): Stopped",
        "after request_stop(): Stopping",
    ];
    bounded(5, "request_stop ∥ last part", &outcomes, |seen| {
        let service = running_service();
        let (cell, own) = (service.cell.clone(), service.own.clone());
        let stopping = thread::spawn({
            let seen = seen.clone();
            move || {
                assert!(cell.request_stop());
                assert!(own.is_cancelled(), "request_stop() has returned true");
                seen.saw(format_args!("after request_stop(): {:?}", cell.state()));
            }
        });
        drop(service.guard);
        assert!(service.own.is_cancelled(), "the service is over");
        stopping.join().expect("no panic");
        assert_eq!(service.cell.state(), Lifecycle::Stopped);
    });
}

/// An observer beside the last part, and beside what else ends the service: the token is cancelled
/// before the end can be read.
fn observe_the_end(
    seen: &Outcomes,
    other: impl FnOnce(&StateCell, &CancellationToken) + Send + 'static,
) {
    let service = running_service();
    let own = service.own.clone();
    let observing = observing(&service.cell, seen, move |state| {
        if state >= Lifecycle::Stopped {
            assert!(own.is_cancelled(), "before {state:?}");
        }
    });
    let telling = thread::spawn({
        let (cell, own) = (service.cell.clone(), service.own.clone());
        move || other(&cell, &own)
    });
    drop(service.guard);
    observing.join().expect("no panic");
    telling.join().expect("no panic");
    assert!(service.cell.state() >= Lifecycle::Stopped);
}

#[test]
fn an_observer_of_stopped_finds_the_token_cancelled() {
    let outcomes = ["observed Running", "observed Stopped", "observed Stopping"];
    model("last part ∥ observer", &outcomes, |seen| {
        let service = running_service();
        let own = service.own.clone();
        let observing = observing(&service.cell, seen, move |state| {
            assert!(
                state < Lifecycle::Stopped || own.is_cancelled(),
                "{state:?}"
            );
        });
        drop(service.guard);
        observing.join().expect("no panic");
    });
}

#[test]
fn an_observer_of_failed_finds_the_token_cancelled() {
    let outcomes = [
        "observed Failed",
        "observed Running",
        "observed Stopped",
        "observed Stopping",
    ];
    bounded(2, "fail ∥ last part ∥ observer", &outcomes, |seen| {
        observe_the_end(seen, |cell, _| {
            cell.fail("disk full");
        });
    });
}

#[test]
fn cancel_of_the_own_token_and_the_last_part() {
    let outcomes = ["observed Running", "observed Stopped", "observed Stopping"];
    bounded(
        2,
        "cancel of own ∥ last part ∥ observer",
        &outcomes,
        |seen| {
            observe_the_end(seen, |cell, own| {
                own.cancel();
                assert_ne!(cell.state(), Lifecycle::Running, "cancel() has returned");
            });
        },
    );
}

#[test]
fn request_stop_and_the_last_part_with_an_observer() {
    let outcomes = ["observed Running", "observed Stopped", "observed Stopping"];
    bounded(
        2,
        "request_stop ∥ last part ∥ observer",
        &outcomes,
        |seen| {
            observe_the_end(seen, |cell, own| {
                assert!(cell.request_stop());
                assert!(own.is_cancelled());
            });
        },
    );
}

/// A refused attempt: the token is cancelled before `FAILED` can be read, even if another call told it to end.
#[test]
fn the_token_is_cancelled_before_a_refusal_is_read() {
    let outcomes = ["observed Failed", "observed Starting"];
    bounded(
        2,
        "request_stop ∥ refusal ∥ observer",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let attempt = cell.begin(&CancellationToken::new());
            let attempt = attempt.expect("the cell is in INITIAL");
            let own = attempt.token();
            let observing = observing(&cell, seen, {
                let own = own.clone();
                move |state| {
                    assert!(
                        state < Lifecycle::Stopped || own.is_cancelled(),
                        "{state:?}"
                    );
                }
            });
            let stopping = thread::spawn({
                let (cell, own) = (cell.clone(), own.clone());
                move || {
                    assert!(cell.request_stop());
                    assert!(own.is_cancelled());
                }
            });
            drop(attempt);
            assert_eq!(cell.state(), Lifecycle::Failed);
            assert!(own.is_cancelled());
            observing.join().expect("no panic");
            stopping.join().expect("no panic");
        },
    );
}

/// The own token is first made while the token that guards the attempt is cancelled.
#[test]
fn the_own_token_is_made_beside_cancel() {
    let outcomes = ["cancelled at once", "cancelled later"];
    model("token() ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let guarding = CancellationToken::new();
        let guard = start_with(&cell, &guarding, || cell.serve_guard());
        let making = thread::spawn({
            let (cell, seen) = (cell.clone(), seen.clone());
            move || {
                let own = cell.token().expect("the guard is left");
                seen.saw(if own.is_cancelled() {
                    "cancelled at once"
                } else {
                    "cancelled later"
                });
                own
            }
        });
        guarding.cancel();
        assert_ne!(cell.state(), Lifecycle::Running, "cancel() has returned");
        let own = making.join().expect("no panic");
        assert!(own.is_cancelled());
        assert_eq!(cell.state(), Lifecycle::Stopping);
        drop(guard);
        assert_eq!(cell.state(), Lifecycle::Stopped);
    });
}

/// The own token is first made while the last part ends.
#[test]
fn the_own_token_is_made_beside_the_end() {
    let outcomes = ["cancelled at once", "cancelled later", "no attempt"];
    model("token() ∥ last part", &outcomes, |seen| {
        let cell = new_cell();
        let guard = start_with(&cell, &CancellationToken::new(), || cell.serve_guard());
        let making = thread::spawn({
            let (cell, seen) = (cell.clone(), seen.clone());
            move || {
                let own = cell.token();
                seen.saw(match &own {
                    None => "no attempt",
                    Some(own) if own.is_cancelled() => "cancelled at once",
                    Some(_) => "cancelled later",
                });
                own
            }
        });
        drop(guard);
        assert_eq!(cell.state(), Lifecycle::Stopped);
        let own = making.join().expect("no panic");
        assert!(own.is_none_or(|own| own.is_cancelled()));
    });
}

/// Two tasks ask for the own token first: both get the same one.
#[test]
fn two_make_the_own_token() {
    model("token() ∥ token()", &["one token"], |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let making = thread::spawn({
            let cell = cell.clone();
            move || cell.token()
        });
        let mine = cell.token().expect("the service runs");
        let other = making.join().expect("no panic");
        assert!(other == Some(mine.clone()));
        mine.cancel();
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw("one token");
    });
}

/// The token of the former attempt is cancelled while that ends and a new one begins. The wake may
/// come late, and finds a token that is not cancelled.
#[test]
fn a_former_token_is_cancelled_beside_the_end_and_a_restart() {
    bounded(
        4,
        "cancel of former ∥ end, restart",
        &["running"],
        |seen| {
            let service = running_service();
            let former = service.guarding;
            let cancelling = thread::spawn(move || former.cancel());
            drop(service.guard);
            assert_eq!(service.cell.state(), Lifecycle::Stopped);
            let token = CancellationToken::new();
            let started: Result<(), StartError> =
                block_on(drive_again(&service.cell, &token, async { Ok(()) }));
            assert_eq!(started, Ok(()));
            cancelling.join().expect("no panic");
            assert_eq!(service.cell.state(), Lifecycle::Running);
            seen.saw("running");
        },
    );
}
