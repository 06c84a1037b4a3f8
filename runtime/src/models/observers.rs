//! What a reader of the state may rely on, although reads take no lock: the word is released and
//! acquired. loom reports a race if it is not.

use std::error::Error;
use std::sync::Arc;

use loom::cell::UnsafeCell;

use super::harness::*;
use crate::{CancellationToken, Lifecycle, StartError};

/// What a body writes to, and an observer reads.
#[derive(Clone)]
struct Written(Arc<UnsafeCell<()>>);

impl Written {
    fn new() -> Self {
        #[expect(
            clippy::arc_with_non_send_sync,
            reason = "loom checks how it is shared"
        )]
        Self(Arc::new(UnsafeCell::new(())))
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }

    fn read(&self) {
        self.0.with(|_| ());
    }
}

/// Writes when it is dropped.
struct WrittenOnDrop(Written);

impl Drop for WrittenOnDrop {
    fn drop(&mut self) {
        self.0.write();
    }
}

#[test]
fn running_is_read_after_the_body() {
    let outcomes = ["observed Created", "observed Running", "observed Starting"];
    model("body ∥ observer", &outcomes, |seen| {
        let cell = new_cell();
        let written = Written::new();
        let observing = observing(&cell, seen, {
            let written = written.clone();
            move |state| {
                if state == Lifecycle::Running {
                    written.read();
                }
            }
        });
        let token = CancellationToken::new();
        let started: Result<(), StartError> = block_on(drive(&cell, &token, async {
            written.write();
            Ok(())
        }));
        assert_eq!(started, Ok(()));
        observing.join().expect("no panic");
    });
}

#[test]
fn failed_is_read_after_the_drop_of_the_body() {
    let outcomes = ["observed Created", "observed Failed", "observed Starting"];
    model("drop of the body ∥ observer", &outcomes, |seen| {
        let cell = new_cell();
        let written = Written::new();
        let observing = observing(&cell, seen, {
            let written = written.clone();
            move |state| {
                if state == Lifecycle::Failed {
                    written.read();
                }
            }
        });
        let captured = WrittenOnDrop(written);
        let token = CancellationToken::new();
        let failed: Result<(), Box<dyn Error>> = block_on(drive(&cell, &token, async move {
            let _ = &captured;
            Err("no".into())
        }));
        assert!(failed.is_err());
        observing.join().expect("no panic");
    });
}

#[test]
fn stopped_is_read_after_the_drop_of_what_was_served() {
    let outcomes = ["observed Running", "observed Stopped", "observed Stopping"];
    model("drop of served ∥ observer", &outcomes, |seen| {
        let cell = new_cell();
        let written = Written::new();
        let captured = WrittenOnDrop(written.clone());
        let served = start_with(&cell, &CancellationToken::new(), || {
            cell.serve_local(async move {
                let _ = &captured;
            })
        });
        let observing = observing(&cell, seen, move |state| {
            if state == Lifecycle::Stopped {
                written.read();
            }
        });
        assert_eq!(block_on(served), Some(()));
        observing.join().expect("no panic");
    });
}

/// A refusal at entry never reads `STARTING`.
#[test]
fn a_refusal_at_entry_is_one_step() {
    let outcomes = ["observed Created", "observed Failed"];
    model("refusal at entry ∥ observer", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        token.cancel();
        let written = Written::new();
        let observing = observing(&cell, seen, {
            let written = written.clone();
            move |state| {
                if state == Lifecycle::Failed {
                    written.read();
                }
            }
        });
        let captured = WrittenOnDrop(written);
        let refused: Result<(), StartError> = block_on(drive(&cell, &token, async move {
            let _ = &captured;
            Ok(())
        }));
        assert_eq!(refused, Err(StartError::Cancelled));
        observing.join().expect("no panic");
    });
}

/// A cause is recorded before `FAILED` can be read.
#[test]
fn failed_has_a_cause() {
    let outcomes = ["observed Failed", "observed Starting"];
    model("fail ∥ observer", &outcomes, |seen| {
        let cell = new_cell();
        let attempt = cell.begin(&CancellationToken::new());
        let observing = observing(&cell, seen, {
            let cell = cell.clone();
            move |state| assert!(state != Lifecycle::Failed || cell.failure().is_some())
        });
        assert!(cell.fail("disk full"));
        drop(attempt);
        observing.join().expect("no panic");
    });
}
