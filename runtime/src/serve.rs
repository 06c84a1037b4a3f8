//! The futures that a service is made of once it is published.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use crate::cell::StateCell;
use crate::failure::Failure;
use crate::outcome::ServedOutcome;
use crate::panics::Panics;
use crate::state::State;
use crate::sync::Mutex;
use crate::wait::Running;
use crate::word::{Gone, Number};

/// A place where a future waits for publication, and from where a refusal can take it, whoever
/// holds the task.
struct Slot<F>(Mutex<Option<Pin<Box<F>>>>);

impl<F> Slot<F> {
    fn take(&self) -> Option<Pin<Box<F>>> {
        self.0.lock().take()
    }
}

/// A [`Slot`] of whatever future.
pub(crate) trait Revoke: Send + Sync {
    /// Takes the future out, if it is still there. To be dropped outside of every lock.
    fn revoke(&self) -> Option<Pin<Box<dyn Send>>>;
}

impl<F: Send + 'static> Revoke for Slot<F> {
    fn revoke(&self) -> Option<Pin<Box<dyn Send>>> {
        self.take().map(|future| future as _)
    }
}

/// A future that serves: what [`StateCell::serve`] returns, to be spawned.
///
/// # Cancellation safety
///
/// Dropping it before it has ended is a failure of the service.
#[must_use = "a served future that is dropped fails the service: spawn it"]
pub struct Served<S: State, F> {
    cell: StateCell<S>,
    stage: Stage<S, F>,
}

enum Stage<S: State, F> {
    /// The attempt had not published when this was polled last.
    Waiting {
        number: Number,
        published: Running<S>,
        slot: Arc<Slot<F>>,
    },
    Serving {
        number: Number,
        future: Pin<Box<F>>,
    },
    /// It has ended, or was dropped unpolled.
    Gone,
}

impl<S: State, F> Served<S, F> {
    pub(crate) fn new(cell: StateCell<S>, future: F) -> Self
    where
        F: Send + 'static,
    {
        let slot = Arc::new(Slot(Mutex::new(Some(Box::pin(future)))));
        let joined = Running::join(&cell, |book, word| {
            let appendix = book.appendix();
            appendix.served += 1;
            if !word.is_published() {
                let revocable: Weak<Slot<F>> = Arc::downgrade(&slot);
                appendix.unpublished.push(revocable);
            }
        });
        let stage = match joined {
            Some((number, published)) => Stage::Waiting {
                number,
                published,
                slot,
            },
            // There is no attempt to belong to. The future goes with its slot, unpolled.
            None => Stage::Gone,
        };
        Self { cell, stage }
    }

    /// Drops the future if there still is one, and lets the attempt know: of the failure that
    /// it ended by first, that it is gone last.
    fn leave(&mut self, failure: Option<Failure>, panics: &mut Panics) {
        let (number, future) = match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Waiting { number, slot, .. } => (number, slot.take()),
            Stage::Serving { number, future } => (number, Some(future)),
            Stage::Gone => return,
        };
        // If it is not here, whoever took it says that it is gone.
        let Some(future) = future else { return };
        if let Some(failure) = failure {
            self.cell.shared.fail(Some(number), failure);
        }
        panics.catch(|| drop(future));
        self.cell.shared.end(number, Gone::Served, 1);
    }
}

impl<S, F> Future for Served<S, F>
where
    S: State,
    F: Future<Output: ServedOutcome> + Send + 'static,
{
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Waiting {
            number,
            published,
            slot,
        } = &mut this.stage
        {
            if ready!(Pin::new(published).poll(cx)).is_ok() {
                if let Some(future) = slot.take() {
                    let number = *number;
                    this.stage = Stage::Serving { number, future };
                }
            }
        }
        let Stage::Serving { future, .. } = &mut this.stage else {
            this.stage = Stage::Gone;
            return Poll::Ready(None);
        };

        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = future.as_mut().poll(cx);
            polled.map(|value| (value.served_failure(), value))
        }));
        let mut panics = Panics::default();
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready((failure, value))) => {
                this.leave(failure.map(Failure::error), &mut panics);
                panics.resume();
                Poll::Ready(Some(value))
            }
            Err(payload) => {
                this.leave(Some(Failure::panicked(&*payload)), &mut panics);
                resume_unwind(payload)
            }
        }
    }
}

impl<S: State, F> Drop for Served<S, F> {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        self.leave(Some(Failure::dropped_served()), &mut panics);
        panics.resume();
    }
}

impl<S: State, F> fmt::Debug for Served<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Waiting { .. } => "waiting for publication",
            Stage::Serving { .. } => "serving",
            Stage::Gone => "gone",
        };
        f.debug_struct("Served")
            .field("cell", &self.cell)
            .field("stage", &stage)
            .finish()
    }
}
