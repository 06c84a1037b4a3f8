//! Stops, the latch and rearming: G7, and that each stop ends what it stopped.

use std::future::ready;

use super::harness::*;
use crate::{CancellationToken, Lifecycle, StartError};

type Started = Result<(), StartError>;

#[test]
fn the_latch_and_a_start() {
    let outcomes = ["refused", "started", "too late to start"];
    model("request_stop ∥ start", &outcomes, |seen| {
        let cell = new_cell();
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || {
                assert!(cell.request_stop());
                assert_ne!(cell.state(), Lifecycle::Running);
            }
        });
        let token = CancellationToken::new();
        let result: Started = block_on(drive_again(&cell, &token, ready(Ok(()))));
        stopping.join().expect("no panic");
        seen.saw(match result {
            Ok(()) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "started"
            }
            Err(StartError::Cancelled) => {
                assert_eq!(cell.state(), Lifecycle::Failed);
                "refused"
            }
            Err(StartError::StopRequested) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "too late to start"
            }
            Err(error) => panic!("{error:?}"),
        });
        let again = cell.begin_again(&token).map(drop);
        assert_eq!(again, Err(StartError::StopRequested), "G7");
    });
}

/// A supervisor restarts a service that ends beside a stop: the stop stands.
#[test]
fn the_latch_and_a_restart() {
    let outcomes = ["refused", "started, and stopped", "too late to start"];
    bounded(5, "request_stop ∥ end, restart", &outcomes, |seen| {
        let cell = new_cell();
        let first = CancellationToken::new();
        start_service(&cell, &first);
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || assert!(cell.request_stop())
        });
        first.cancel();
        let token = CancellationToken::new();
        let result: Started = block_on(async {
            assert_eq!(cell.stopped().await, Ok(()));
            drive_again(&cell, &token, ready(Ok(()))).await
        });
        stopping.join().expect("no panic");
        assert!(cell.state() >= Lifecycle::Stopped, "{:?}", cell.state());
        seen.saw(match result {
            Ok(()) => "started, and stopped",
            Err(StartError::Cancelled) => "refused",
            Err(StartError::StopRequested) => "too late to start",
            Err(error) => panic!("{error:?}"),
        });
    });
}

/// `rearm` takes back a stop that is complete, and never one that is under way.
#[test]
fn rearm_and_stop() {
    let outcomes = [
        "not rearmed, still running",
        "not rearmed, stopped",
        "not rearmed, stopping",
        "rearmed, and started again",
    ];
    model("rearm ∥ stop", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || assert_eq!(block_on(cell.stop()), Ok(()))
        });
        let rearmed = cell.rearm();
        let again = cell.begin_again(&CancellationToken::new());
        match again.map(|attempt| attempt.start_sync(|_| Started::Ok(()))) {
            Ok(started) => {
                assert!(rearmed, "the latch holds");
                assert_eq!(started, Ok(()), "the stop was for the first attempt");
                stopping.join().expect("no panic");
                assert_eq!(cell.state(), Lifecycle::Running);
                seen.saw("rearmed, and started again");
            }
            Err(error) => {
                assert!(!rearmed, "nothing holds it: {error:?}");
                seen.saw(match error {
                    StartError::NotStartable { state: "Running" } => "not rearmed, still running",
                    StartError::NotStartable { state: "Stopping" } => "not rearmed, stopping",
                    StartError::StopRequested => "not rearmed, stopped",
                    error => panic!("{error:?}"),
                });
                stopping.join().expect("no panic");
                assert_eq!(cell.state(), Lifecycle::Stopped);
            }
        }
    });
}

/// In `INITIAL`, the later of the two calls decides.
#[test]
fn rearm_and_request_stop_in_initial() {
    let outcomes = ["latched", "rearmed"];
    model("rearm ∥ request_stop in INITIAL", &outcomes, |seen| {
        let cell = new_cell();
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || assert!(cell.request_stop())
        });
        assert!(cell.rearm(), "no attempt is under way");
        stopping.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Stopped);
        let again = cell.begin_again(&CancellationToken::new()).map(drop);
        seen.saw(if cell.stop_requested() {
            assert_eq!(again, Err(StartError::StopRequested));
            "latched"
        } else {
            assert_eq!(again, Ok(()));
            "rearmed"
        });
    });
}

#[test]
fn two_ask_it_to_stop() {
    let outcomes = ["mine was the first", "the other was the first"];
    bounded(5, "request_stop ∥ request_stop", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || {
                let is_first = cell.request_stop();
                assert_ne!(cell.state(), Lifecycle::Running);
                is_first
            }
        });
        let mine = cell.request_stop();
        assert_ne!(cell.state(), Lifecycle::Running);
        let other = stopping.join().expect("no panic");
        assert!(mine != other, "one of them is the first");
        assert_eq!(cell.state(), Lifecycle::Stopped);
        seen.saw(if mine {
            "mine was the first"
        } else {
            "the other was the first"
        });
    });
}

/// Every caller of `stop` waits for the end, the second one too.
#[test]
fn two_stop_it_and_the_end_of_what_is_served() {
    let outcomes = ["stopped"];
    bounded(2, "stop ∥ stop ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let served = start_with(&cell, &token, || cell.serve(ready(())));
        let stopping = [(); 2].map(|()| {
            let cell = cell.clone();
            thread::spawn(move || {
                assert_eq!(block_on(cell.stop()), Ok(()));
                assert_eq!(cell.state(), Lifecycle::Stopped);
            })
        });
        assert_eq!(block_on(served), Some(()));
        for thread in stopping {
            thread.join().expect("no panic");
        }
        seen.saw("stopped");
    });
}

/// A stop finds no part, and a part joins before the cell reads `STOPPED`.
#[test]
fn stop_without_parts_and_a_client_that_joins() {
    let outcomes = ["joined", "refused"];
    bounded(4, "stop ∥ track joins", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let tracking = thread::spawn({
            let cell = cell.clone();
            move || {
                block_on(cell.track({
                    let cell = cell.clone();
                    async move { assert!(cell.state() < Lifecycle::Stopped, "G4") }
                }))
            }
        });
        assert_eq!(block_on(cell.stop()), Ok(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        let joined = tracking.join().expect("no panic").is_some();
        seen.saw(if joined { "joined" } else { "refused" });
    });
}

#[test]
fn stop_without_parts_and_what_joins_to_be_served() {
    let outcomes = ["joined", "refused"];
    bounded(4, "stop ∥ serve joins", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let serving = thread::spawn({
            let cell = cell.clone();
            move || {
                block_on(cell.serve({
                    let cell = cell.clone();
                    async move { assert!(cell.state() < Lifecycle::Stopped, "G4") }
                }))
            }
        });
        assert_eq!(block_on(cell.stop()), Ok(()));
        assert_eq!(cell.state(), Lifecycle::Stopped);
        let joined = serving.join().expect("no panic").is_some();
        seen.saw(if joined { "joined" } else { "refused" });
    });
}

#[test]
fn stop_and_a_start_that_waits() {
    let outcomes = ["refused", "too late to start"];
    bounded(5, "stop ∥ waiting start", &outcomes, |seen| {
        let cell = new_cell();
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || {
                assert_eq!(block_on(cell.stop()), Ok(()));
                assert!(cell.state() >= Lifecycle::Stopped);
            }
        });
        let token = CancellationToken::new();
        let result = block_on(drive(&cell, &token, never()));
        stopping.join().expect("no panic");
        seen.saw(match result {
            Err(StartError::Cancelled) => "refused",
            Err(StartError::NotStartable { state: "Stopped" }) => "too late to start",
            result => panic!("{result:?}"),
        });
    });
}

#[test]
fn stop_and_an_attempt_that_is_dropped() {
    let outcomes = ["cancelled", "dropped"];
    model("stop ∥ drop of an attempt", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || {
                let result = block_on(cell.stop());
                assert_eq!(cell.state(), Lifecycle::Failed);
                result
            }
        });
        drop(attempt);
        let result = stopping.join().expect("no panic");
        seen.saw(if result.is_ok() {
            "cancelled"
        } else {
            "dropped"
        });
    });
}
