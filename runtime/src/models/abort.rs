//! `abort` and `stop_or_abort` against what they drop.

use std::future::{pending, ready};

use super::harness::*;
use crate::__private::{on_refused_default, start};
use crate::{CancellationToken, FailureKind, Lifecycle, StartError};

type Started = Result<(), StartError>;

/// Tells on which side a future was dropped.
struct Dropped {
    task: thread::ThreadId,
    seen: Outcomes,
}

impl Dropped {
    fn new(seen: &Outcomes) -> Self {
        Self {
            task: thread::current().id(),
            seen: seen.clone(),
        }
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.seen.saw(if self.task == thread::current().id() {
            "dropped by its task"
        } else {
            "dropped by the call"
        });
    }
}

/// A served future in steady state, whose poll takes no lock, and one that was not polled yet.
#[test]
fn abort_and_polls_of_a_served_future() {
    let outcomes = ["dropped by its task", "dropped by the call"];
    bounded(5, "abort ∥ poll of served", &outcomes, |seen| {
        let cell = new_cell();
        let dropped = Dropped::new(seen);
        let served = start_with(&cell, &CancellationToken::new(), || {
            cell.serve(async move {
                let _ = &dropped;
                pending::<()>().await;
            })
        });
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        // If the wake were lost, this would wait for ever, and loom would report it.
        assert_eq!(block_on(served), None);
        aborting.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        assert_eq!(kind_of_failure(&cell), FailureKind::Dropped);
    });
}

#[test]
fn abort_and_polls_of_a_local_part() {
    bounded(5, "abort ∥ poll of served, local", &["aborted"], |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || {
            cell.serve_local(pending::<()>())
        });
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        assert_eq!(block_on(served), None);
        aborting.join().expect("no panic");
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw("aborted");
    });
}

/// A future that is polled by another task after it has run is woken there.
#[test]
fn abort_and_a_served_future_that_has_moved() {
    bounded(
        5,
        "abort ∥ poll with another waker",
        &["aborted"],
        |seen| {
            let cell = new_cell();
            let mut served = Box::pin(start_with(&cell, &CancellationToken::new(), || {
                cell.serve(pending::<()>())
            }));
            assert!(poll_once(served.as_mut()).is_pending());
            let aborting = thread::spawn({
                let cell = cell.clone();
                move || cell.abort()
            });
            assert_eq!(block_on(served), None);
            aborting.join().expect("no panic");
            assert_eq!(cell.state(), Lifecycle::Failed);
            seen.saw("aborted");
        },
    );
}

#[test]
fn abort_and_the_end_of_a_served_future() {
    let outcomes = ["aborted", "it had ended"];
    bounded(5, "abort ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || cell.serve(ready(())));
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        let output = block_on(served);
        aborting.join().expect("no panic");
        seen.saw(if output.is_some() {
            assert_eq!(cell.state(), Lifecycle::Stopped);
            "it had ended"
        } else {
            assert_eq!(cell.state(), Lifecycle::Failed);
            "aborted"
        });
    });
}

#[test]
fn abort_and_the_commit() {
    let outcomes = ["refused", "started"];
    bounded(5, "abort ∥ commit", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let served = cell.serve(pending::<()>());
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        let attempt = attempt.expect("the cell is in INITIAL");
        let result = attempt.start_sync(|_| Started::Ok(()));
        aborting.join().expect("no panic");
        assert_eq!(block_on(served), None);
        assert_eq!(cell.state(), Lifecycle::Failed);
        seen.saw(match (result, kind_of_failure(&cell)) {
            (Ok(()), FailureKind::Dropped) => "started",
            (Err(StartError::Cancelled), FailureKind::Cancelled) => "refused",
            results => panic!("{results:?}"),
        });
    });
}

/// The published body of a run is dropped at its next poll.
#[test]
fn abort_and_polls_of_a_run() {
    let outcomes = ["aborted", "refused", "too late to start"];
    bounded(5, "abort ∥ run", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        let start = start(&cell);
        let run = start.guard_by(&token).run_published();
        let result: Started = block_on(run.drive(on_refused_default(), never()));
        aborting.join().expect("no panic");
        seen.saw(match result {
            Err(StartError::Failed(failure)) => {
                assert_eq!(failure.kind(), FailureKind::Dropped);
                assert_eq!(cell.state(), Lifecycle::Failed);
                "aborted"
            }
            Err(StartError::Cancelled) => {
                assert_eq!(cell.state(), Lifecycle::Failed);
                "refused"
            }
            Err(StartError::NotStartable { state: "Stopped" }) => "too late to start",
            result => panic!("{result:?}"),
        });
    });
}

/// A client joins while the service is aborted: it is refused, or dropped, or it ends before that.
#[test]
fn abort_and_a_client_that_joins() {
    let outcomes = ["None, Failed", "None, Stopped", "Some(()), Stopped"];
    bounded(4, "abort ∥ track joins", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let aborting = thread::spawn({
            let cell = cell.clone();
            move || cell.abort()
        });
        let output = block_on(cell.track(ready(())));
        aborting.join().expect("no panic");
        let state = cell.state();
        seen.saw(format_args!("{output:?}, {state:?}"));
    });
}

/// What is served watches its token, and ends in time or is dropped at the deadline.
#[test]
fn stop_or_abort_and_what_watches_its_token() {
    let outcomes = ["dropped at the deadline", "ended in time"];
    bounded(3, "stop_or_abort ∥ serve's end", &outcomes, |seen| {
        let cell = new_cell();
        let served = start_with(&cell, &CancellationToken::new(), || {
            let own = cell.token().expect("an attempt is under way");
            cell.serve(own.cancelled_owned())
        });
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || {
                let result = block_on(cell.stop_or_abort(ready(())));
                assert!(cell.state() >= Lifecycle::Stopped);
                result
            }
        });
        let output = block_on(served);
        let result = stopping.join().expect("no panic");
        seen.saw(match (output, result) {
            (Some(()), Ok(())) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                "ended in time"
            }
            (None, Err(failure)) => {
                assert_eq!(failure.kind(), FailureKind::Dropped);
                assert_eq!(cell.state(), Lifecycle::Failed);
                "dropped at the deadline"
            }
            results => panic!("{results:?}"),
        });
    });
}

/// The deadline of a stop comes when the next attempt is under way: that one is left alone.
#[test]
fn stop_or_abort_and_the_next_attempt() {
    let outcomes = ["not rearmed", "the next one runs"];
    bounded(4, "stop_or_abort ∥ rearm, restart", &outcomes, |seen| {
        let cell = new_cell();
        start_service(&cell, &CancellationToken::new());
        let stopping = thread::spawn({
            let cell = cell.clone();
            move || block_on(cell.stop_or_abort(ready(())))
        });
        let is_rearmed = cell.rearm();
        let again = cell.begin_again(&CancellationToken::new());
        let started = again.and_then(|attempt| attempt.start_sync(|_| Started::Ok(())));
        assert_eq!(stopping.join().expect("no panic"), Ok(()));
        seen.saw(if started.is_ok() {
            assert!(is_rearmed);
            assert_eq!(cell.state(), Lifecycle::Running);
            "the next one runs"
        } else {
            assert_eq!(cell.state(), Lifecycle::Stopped);
            "not rearmed"
        });
    });
}
