//! The futures that a service is made of once it is published.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::book::Unpolled;
use crate::cell::StateCell;
use crate::failure::Failure;
use crate::outcome::ServedOutcome;
use crate::panics::Panics;
use crate::state::State;
use crate::wait::Running;
use crate::word::{Gone, Number};

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
        // The book keeps it meanwhile, so that a refusal can drop it, whoever holds the task.
        let stage = match Running::join(&cell, Box::new(future)) {
            Ok((number, published)) => Stage::Waiting { number, published },
            // There is no attempt to belong to.
            Err(future) => {
                drop(future);
                Stage::Gone
            }
        };
        Self { cell, stage }
    }

    /// Drops the future if there still is one, and lets the attempt know: of the failure that
    /// it ended by first, that it is gone last.
    fn leave(&mut self, failure: Option<Failure>, panics: &mut Panics) {
        match std::mem::replace(&mut self.stage, Stage::Gone) {
            Stage::Waiting { number, published } => {
                // If it is not here, whoever took it says that it is gone.
                if let Some(future) = published.take_served() {
                    self.lose(number, future, failure, panics);
                }
            }
            Stage::Serving { number, future } => self.lose(number, future, failure, panics),
            Stage::Gone => {}
        }
    }

    fn lose<T>(&self, number: Number, future: T, failure: Option<Failure>, panics: &mut Panics) {
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
        if let Stage::Waiting { number, published } = &mut this.stage {
            if ready!(Pin::new(&mut *published).poll(cx)).is_ok() {
                let number = *number;
                let future = published.take_served().map(Unpolled::downcast::<F>);
                if let Some(Ok(future)) = future {
                    let future = Box::into_pin(future);
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
                Poll::Ready(Some(panics.resume_over(value)))
            }
            Err(payload) => {
                this.leave(Some(Failure::panicked(&*payload)), &mut panics);
                panics.lose();
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
