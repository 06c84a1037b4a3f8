//! Every kind of waiter against the commit, a refusal and the end: no wake is lost.

use std::fmt::Debug;
use std::future::Future;

use super::harness::*;
use crate::{CancellationToken, FailureKind, Lifecycle, StartError, StateCell};

/// Waits for what `future` makes of the cell on another thread, and reports how that ended.
fn waiting<F>(
    cell: &StateCell,
    seen: &Outcomes,
    future: impl FnOnce(StateCell) -> F + Send + 'static,
) -> thread::JoinHandle<()>
where
    F: Future<Output: Debug>,
{
    let (cell, seen) = (cell.clone(), seen.clone());
    thread::spawn(move || {
        let (output, waited) = wait(future(cell));
        seen.saw(format_args!("{output:?} {waited}"));
    })
}

/// What is left of a result whose failure is told by its kind.
fn kind(result: Result<(), impl Into<Option<FailureKind>>>) -> Result<(), Option<FailureKind>> {
    result.map_err(Into::into)
}

async fn running(cell: StateCell) -> Result<(), Option<FailureKind>> {
    let failure = cell.running().await;
    kind(failure.map_err(|error| error.failure().map(|failure| failure.kind())))
}

async fn stopped(cell: StateCell) -> Result<(), Option<FailureKind>> {
    kind(cell.stopped().await.map_err(|failure| failure.kind()))
}

async fn stop(cell: StateCell) -> Result<(), Option<FailureKind>> {
    let result = cell.stop().await;
    assert!(cell.state() >= Lifecycle::Stopped, "stop() has returned");
    kind(result.map_err(|failure| failure.kind()))
}

/// A waiter comes while a start commits.
fn against_the_commit<F>(
    name: &str,
    outcomes: &[&str],
    future: impl Fn(StateCell) -> F + Copy + Send + Sync + 'static,
) where
    F: Future<Output: Debug>,
{
    bounded(6, name, outcomes, move |seen| {
        let cell = new_cell();
        let waiting = waiting(&cell, seen, future);
        start_service(&cell, &CancellationToken::new());
        waiting.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Running);
    });
}

#[test]
fn running_and_the_commit() {
    let outcomes = ["Ok(()) after a wait", "Ok(()) at once"];
    against_the_commit("running() ∥ commit", &outcomes, running);
}

#[test]
fn wait_for_and_the_commit() {
    let outcomes = ["Running after a wait", "Running at once"];
    let future = |cell: StateCell| cell.wait_for(|state| state == Lifecycle::Running);
    against_the_commit("wait_for(Running) ∥ commit", &outcomes, future);
}

#[test]
fn running_made_before_the_start_and_the_commit() {
    let outcomes = ["Ok(()) after a wait", "Ok(()) at once"];
    bounded(6, "running() made before ∥ commit", &outcomes, |seen| {
        let cell = new_cell();
        let running = cell.running();
        let waiting = waiting(&cell, seen, |_| running);
        start_service(&cell, &CancellationToken::new());
        waiting.join().expect("no panic");
    });
}

#[test]
fn stop_and_the_commit() {
    let outcomes = [
        "Ok(()) after a wait",
        "Ok(()) at once",
        "refused",
        "started",
        "too late to start",
    ];
    bounded(6, "stop() ∥ start", &outcomes, |seen| {
        let cell = new_cell();
        let waiting = waiting(&cell, seen, stop);
        let token = CancellationToken::new();
        let result: Result<(), StartError> = block_on(drive(&cell, &token, async { Ok(()) }));
        waiting.join().expect("no panic");
        seen.saw(match result {
            Ok(()) => "started",
            Err(StartError::Cancelled) => "refused",
            Err(StartError::NotStartable { .. }) => "too late to start",
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// A waiter comes while an attempt is refused.
fn against_the_refusal<F>(
    name: &str,
    outcomes: &[&str],
    future: impl Fn(StateCell) -> F + Copy + Send + Sync + 'static,
) where
    F: Future<Output: Debug>,
{
    bounded(6, name, outcomes, move |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let waiting = waiting(&cell, seen, future);
        drop(attempt);
        waiting.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
    });
}

#[test]
fn running_and_a_refusal() {
    let outcomes = [
        "Err(Some(Dropped)) after a wait",
        "Err(Some(Dropped)) at once",
    ];
    against_the_refusal("running() ∥ refusal", &outcomes, running);
}

#[test]
fn stopped_and_a_refusal() {
    let outcomes = [
        "Err(Some(Dropped)) after a wait",
        "Err(Some(Dropped)) at once",
    ];
    against_the_refusal("stopped() ∥ refusal", &outcomes, stopped);
}

/// A stop that finds the attempt failed and not ended yet ends it itself, and does not wait.
#[test]
fn stop_and_a_refusal() {
    let outcomes = [
        "Err(Some(Dropped)) at once",
        "Ok(()) after a wait",
        "Ok(()) at once",
    ];
    against_the_refusal("stop() ∥ refusal", &outcomes, stop);
}

#[test]
fn wait_for_and_a_refusal() {
    let outcomes = ["Failed after a wait", "Failed at once"];
    let future = |cell: StateCell| cell.wait_for(|state| state == Lifecycle::Failed);
    against_the_refusal("wait_for(Failed) ∥ refusal", &outcomes, future);
}

/// A start that is refused at entry, and the next one, beside a waiter for the first.
#[test]
fn running_and_a_refusal_at_entry() {
    let outcomes = [
        "Err(Some(Cancelled)) after a wait",
        "Err(Some(Cancelled)) at once",
        "Ok(()) after a wait",
        "Ok(()) at once",
    ];
    bounded(6, "running() ∥ refusal, start", &outcomes, |seen| {
        let cell = new_cell();
        let waiting = waiting(&cell, seen, running);
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let refused: Result<(), StartError> = block_on(drive(&cell, &cancelled, never()));
        assert_eq!(refused, Err(StartError::Cancelled));
        let token = CancellationToken::new();
        let again: Result<(), StartError> = block_on(drive_again(&cell, &token, async { Ok(()) }));
        assert_eq!(again, Ok(()));
        waiting.join().expect("no panic");
    });
}

/// A waiter comes while a service without parts is cancelled.
fn against_the_end<F>(
    name: &str,
    outcomes: &[&str],
    future: impl Fn(StateCell) -> F + Copy + Send + Sync + 'static,
) where
    F: Future<Output: Debug>,
{
    bounded(6, name, outcomes, move |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        start_service(&cell, &token);
        let waiting = waiting(&cell, seen, future);
        token.cancel();
        assert_ne!(cell.state(), Lifecycle::Running);
        waiting.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Stopped);
    });
}

#[test]
fn running_and_the_end() {
    let outcomes = ["Err(None) at once", "Ok(()) at once"];
    against_the_end("running() ∥ end", &outcomes, running);
}

#[test]
fn stopped_and_the_end() {
    let outcomes = ["Ok(()) after a wait", "Ok(()) at once"];
    against_the_end("stopped() ∥ end", &outcomes, stopped);
}

/// Without parts, the stop itself makes the last step.
#[test]
fn stop_and_the_end() {
    let outcomes = ["Ok(()) at once"];
    against_the_end("stop() ∥ end", &outcomes, stop);
}

#[test]
fn wait_for_and_the_end() {
    let outcomes = [
        "Stopped after a wait",
        "Stopped at once",
        "Stopping after a wait",
        "Stopping at once",
    ];
    let future = |cell: StateCell| cell.wait_for(|state| state >= Lifecycle::Stopping);
    against_the_end("wait_for(Stopping) ∥ end", &outcomes, future);
}

/// A waiter that is bound before the start, beside a whole life: what it waited for is not missed,
/// however late it is polled.
#[test]
fn running_and_a_whole_life() {
    let outcomes = ["Err(None) at once", "Ok(()) after a wait", "Ok(()) at once"];
    bounded(6, "running() ∥ start, cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let waiting = waiting(&cell, seen, running);
        start_service(&cell, &token);
        token.cancel();
        waiting.join().expect("no panic");
    });
}

#[test]
fn stopped_and_a_whole_life() {
    let outcomes = ["Ok(()) after a wait", "Ok(()) at once"];
    bounded(6, "stopped() ∥ start, cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let waiting = waiting(&cell, seen, stopped);
        start_service(&cell, &token);
        token.cancel();
        waiting.join().expect("no panic");
    });
}

/// A guard, whose holder waits for the publication and then drops it.
fn guard_waits(
    seen: &Outcomes,
    ends: impl FnOnce(crate::Attempt<Lifecycle>, &CancellationToken),
) -> Lifecycle {
    let cell = new_cell();
    let token = CancellationToken::new();
    let attempt = cell.begin(&token).expect("the cell is in INITIAL");
    let guard = cell.serve_guard();
    let waiting = waiting(&cell, seen, |_| async move {
        let published = guard.published().await;
        published.map_err(|error| error.failure().map(|failure| failure.kind()))
    });
    ends(attempt, &token);
    waiting.join().expect("no panic");
    cell.state()
}

#[test]
fn published_and_the_commit() {
    let outcomes = ["Ok(()) after a wait", "Ok(()) at once"];
    bounded(6, "guard.published() ∥ commit", &outcomes, |seen| {
        let state = guard_waits(seen, |attempt, _| {
            let started: Result<(), StartError> = attempt.start_sync(|_| Ok(()));
            assert_eq!(started, Ok(()));
        });
        assert_eq!(state, Lifecycle::Stopped, "the guard was the service");
    });
}

#[test]
fn published_and_a_refusal() {
    let outcomes = [
        "Err(Some(Dropped)) after a wait",
        "Err(Some(Dropped)) at once",
    ];
    bounded(6, "guard.published() ∥ refusal", &outcomes, |seen| {
        let state = guard_waits(seen, |attempt, _| drop(attempt));
        assert_eq!(state, Lifecycle::Failed);
    });
}

/// The cause is not known while the body exists: its own failure may still replace it.
#[test]
fn published_and_cancel() {
    let outcomes = [
        "Err(None) after a wait",
        "Err(None) at once",
        "Err(Some(Cancelled)) at once",
    ];
    bounded(6, "guard.published() ∥ cancel", &outcomes, |seen| {
        let state = guard_waits(seen, |attempt, token| {
            token.cancel();
            let refused: Result<(), StartError> = attempt.start_sync(|_| Ok(()));
            assert_eq!(refused, Err(StartError::Cancelled));
        });
        assert_eq!(state, Lifecycle::Failed);
    });
}

#[test]
fn published_and_the_end() {
    let outcomes = ["Ok(()) at once"];
    bounded(
        6,
        "guard.published() ∥ commit, cancel",
        &outcomes,
        |seen| {
            let cell = new_cell();
            let token = CancellationToken::new();
            let guard = start_with(&cell, &token, || cell.serve_guard());
            let waiting = waiting(&cell, seen, |_| async move { guard.published().await });
            token.cancel();
            waiting.join().expect("no panic");
            assert_eq!(cell.state(), Lifecycle::Stopped);
        },
    );
}

/// A waiter that is dropped while the transition resolves it.
#[test]
fn a_waiter_is_dropped_beside_the_commit() {
    let outcomes = ["dropped pending", "dropped resolved"];
    bounded(6, "drop of running() ∥ commit", &outcomes, |seen| {
        let cell = new_cell();
        let mut running = Box::pin(cell.running());
        assert!(poll_once(running.as_mut()).is_pending());
        let dropping = thread::spawn({
            let seen = seen.clone();
            move || {
                let polled = poll_once(running.as_mut());
                drop(running);
                seen.saw(if polled.is_ready() {
                    "dropped resolved"
                } else {
                    "dropped pending"
                });
            }
        });
        start_service(&cell, &CancellationToken::new());
        dropping.join().expect("no panic");
    });
}
