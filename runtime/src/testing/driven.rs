//! The start that a run drives.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::woken::PollIfWoken;
use crate::failure::Failure;
use crate::unwind::ignore_panic;

/// A future that is polled only when it was woken, and whose panics are caught.
pub(super) struct Driven<F: Future> {
    future: Option<Pin<Box<F>>>,
    woken: PollIfWoken,
    ended: Option<Result<F::Output, Failure>>,
    /// How often it returned `Pending`.
    pending: usize,
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// The future was not woken, and so not polled.
    Asleep,
    Pending,
    /// The future has ended, now or before.
    Ended,
}

impl<F: Future> Driven<F> {
    pub(super) fn new(future: F) -> Self {
        Self {
            future: Some(Box::pin(future)),
            woken: PollIfWoken::default(),
            ended: None,
            pending: 0,
        }
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Polled {
        let Some(future) = &mut self.future else {
            return Polled::Ended;
        };
        let poll = |cx: &mut Context<'_>| {
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
                .map_err(|payload| Failure::panicked(&*payload))
        };
        match self.woken.poll(cx, poll) {
            None => Polled::Asleep,
            Some(Ok(Poll::Pending)) => {
                self.pending += 1;
                Polled::Pending
            }
            Some(Ok(Poll::Ready(output))) => self.end(Ok(output)),
            Some(Err(panicked)) => self.end(Err(panicked)),
        }
    }

    fn end(&mut self, ended: Result<F::Output, Failure>) -> Polled {
        self.ended = Some(ended);
        self.drop_future();
        Polled::Ended
    }

    /// Whether the next poll polls the future. Until then, the future wakes the task of `cx`.
    pub(super) fn is_woken(&self, cx: &Context<'_>) -> bool {
        self.woken.is_woken(cx)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.future.is_none()
    }

    /// How often it returned `Pending`.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// What it returned, or the panic that it ended with.
    pub(super) fn ended(&self) -> Option<&Result<F::Output, Failure>> {
        self.ended.as_ref()
    }

    /// Drops the future, if it has not ended. A panic of that drop is the panic of the future.
    pub(super) fn drop_future(&mut self) {
        let future = self.future.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            self.ended = Some(Err(Failure::panicked(&*payload)));
            ignore_panic(|| drop(payload));
        }
    }
}
