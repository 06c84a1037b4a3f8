//! The futures of `running`, `stopped`, `stop` and `wait_for`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::NotRunning;
use crate::failure::{Failure, FailureKind};
use crate::lifecycle::State;
use crate::shared::{AttemptId, Binding, Handle, Phase, Snapshot, WaitFor, WaitResult};
#[cfg(feature = "tracing")]
use crate::trace;

/// An entry in a cell's list of waiters. Taking its result removes it, and so does dropping this.
struct Waiter<S: State> {
    handle: Handle<S>,
    key: Option<usize>,
}

impl<S: State> Waiter<S> {
    fn new(handle: Handle<S>, key: usize) -> Self {
        Self {
            handle,
            key: Some(key),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<WaitResult> {
        let Some(key) = self.key else {
            return Poll::Pending;
        };
        match self.handle.poll_waiter(key, cx.waker()) {
            Some(result) => {
                self.key = None;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl<S: State> Drop for Waiter<S> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.handle.remove_waiter(key);
        }
    }
}

/// A wait that has begun, or its result.
enum Bound {
    Known(WaitResult),
    Waiting(usize),
}

enum Wait<S: State> {
    Known(Option<WaitResult>),
    Waiting(Waiter<S>),
}

impl<S: State> Wait<S> {
    /// `handle` is called only if there is something to wait for.
    fn new(handle: impl FnOnce() -> Handle<S>, bound: Bound) -> Self {
        match bound {
            Bound::Known(result) => Self::Known(Some(result)),
            Bound::Waiting(key) => Self::Waiting(Waiter::new(handle(), key)),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<WaitResult> {
        match self {
            Self::Known(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Self::Waiting(waiter) => waiter.poll(cx),
        }
    }
}

/// Waits until an attempt publishes, or ends without.
pub(crate) struct WaitUntilRunning<S: State>(Wait<S>);

impl<S: State> WaitUntilRunning<S> {
    /// For the attempt under way, or in `INITIAL` for the first one.
    pub(crate) fn new(handle: &Handle<S>) -> Self {
        Self::bind(handle, |binding, word| match word.phase() {
            Phase::Initial => {
                Bound::Waiting(binding.add_waiter(WaitFor::Running(word.attempt() + 1)))
            }
            Phase::Starting => Bound::Waiting(binding.add_waiter(WaitFor::Running(word.attempt()))),
            Phase::Running => Bound::Known(WaitResult::Published),
            Phase::Stopping | Phase::Stopped | Phase::Failed => {
                Bound::Known(WaitResult::Ended(binding.failure(word)))
            }
        })
    }

    /// For a part of attempt `id`: also over when the attempt is told to end, which waits for its
    /// parts.
    pub(crate) fn for_part(handle: &Handle<S>, id: AttemptId) -> Self {
        Self::bind(handle, |binding, word| {
            if word.attempt() != id {
                Bound::Known(WaitResult::Ended(None))
            } else if word.is_published() {
                Bound::Known(WaitResult::Published)
            } else if word.is_told_to_end() {
                Bound::Known(WaitResult::Ended(binding.failure(word)))
            } else {
                Bound::Waiting(binding.add_waiter(WaitFor::Published(id)))
            }
        })
    }

    /// Without an attempt.
    pub(crate) fn never() -> Self {
        Self(Wait::Known(Some(WaitResult::Ended(None))))
    }

    fn bind(handle: &Handle<S>, bind: impl FnOnce(&mut Binding<'_>, Snapshot<S>) -> Bound) -> Self {
        let bound = handle.bind(bind);
        Self(Wait::new(|| handle.clone(), bound))
    }
}

impl<S: State> Future for WaitUntilRunning<S> {
    type Output = Result<(), NotRunning>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map(|result| match result {
            WaitResult::Published | WaitResult::Changed => Ok(()),
            WaitResult::Ended(failure) => Err(NotRunning::new(failure)),
        })
    }
}

/// Waits until an attempt ends.
pub(crate) struct WaitUntilEnded<S: State> {
    attempt: AttemptId,
    wait: Wait<S>,
    /// Whether a wait in a part of this very cell has still to be looked for.
    #[cfg(feature = "tracing")]
    unchecked: Option<Handle<S>>,
}

impl<S: State> WaitUntilEnded<S> {
    /// For the attempt under way, or in `INITIAL` for the first one.
    pub(crate) fn new(handle: &Handle<S>) -> Self {
        let (attempt, bound) = handle.bind(Self::bind);
        Self::waiting(handle.clone(), attempt, bound)
    }

    /// For attempt `id`.
    pub(crate) fn for_attempt(handle: &Handle<S>, id: AttemptId) -> Self {
        let (attempt, bound) = handle.bind(|binding, word| {
            if word.attempt() == id {
                Self::bind(binding, word)
            } else {
                (id, Bound::Known(WaitResult::Ended(None)))
            }
        });
        Self::waiting(handle.clone(), attempt, bound)
    }

    /// Asks the service to stop, and waits for the attempt that was under way then.
    pub(crate) fn after_request_stop(handle: Handle<S>) -> Self {
        let (_first, (attempt, bound)) = handle.request_stop(Self::bind);
        Self::waiting(handle, attempt, bound)
    }

    /// The attempt whose end is awaited.
    pub(crate) fn attempt(&self) -> AttemptId {
        self.attempt
    }

    fn waiting(handle: Handle<S>, attempt: AttemptId, bound: Bound) -> Self {
        Self {
            attempt,
            #[cfg(feature = "tracing")]
            unchecked: Some(handle.clone()),
            wait: Wait::new(|| handle, bound),
        }
    }

    fn bind(binding: &mut Binding<'_>, word: Snapshot<S>) -> (AttemptId, Bound) {
        let attempt = match word.phase() {
            Phase::Initial => word.attempt() + 1,
            _ => word.attempt(),
        };
        let bound = match word.phase() {
            Phase::Stopped | Phase::Failed => {
                Bound::Known(WaitResult::Ended(binding.failure(word)))
            }
            Phase::Initial | Phase::Starting | Phase::Running | Phase::Stopping => {
                Bound::Waiting(binding.add_waiter(WaitFor::Ended(attempt)))
            }
        };
        (attempt, bound)
    }
}

impl<S: State> Future for WaitUntilEnded<S> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.wait.poll(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => {
                #[cfg(feature = "tracing")]
                if let Some(handle) = self.unchecked.take() {
                    trace::warn_if_in_part(&handle);
                }
                return Poll::Pending;
            }
        };
        Poll::Ready(match result {
            WaitResult::Ended(Some(failure)) if failure.kind() != FailureKind::Cancelled => {
                Err(failure)
            }
            WaitResult::Ended(_) | WaitResult::Published | WaitResult::Changed => Ok(()),
        })
    }
}

/// Waits until the service is asked to stop, with the latch.
pub(crate) struct WaitUntilStopAsked<S: State>(Wait<S>);

impl<S: State> WaitUntilStopAsked<S> {
    pub(crate) fn new(handle: &Handle<S>) -> Self {
        let bound = handle.bind(|binding, word| {
            if word.stop_requested() {
                Bound::Known(WaitResult::Changed)
            } else {
                Bound::Waiting(binding.add_waiter(WaitFor::StopRequest))
            }
        });
        Self(Wait::new(|| handle.clone(), bound))
    }
}

impl<S: State> Future for WaitUntilStopAsked<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx).map(|_always_changed| ())
    }
}

/// Waits for the first state seen that satisfies `wanted`.
pub(crate) async fn wait_for<S, P>(handle: Handle<S>, mut wanted: P) -> S
where
    S: State,
    P: FnMut(S) -> bool,
{
    loop {
        // Registered before the state is read, so no change comes between the two.
        let key = handle.bind(|binding, _| binding.add_waiter(WaitFor::Change));
        let mut waiter = Waiter::new(handle.clone(), key);
        let state = handle.load().state();
        if wanted(state) {
            return state;
        }
        poll_fn(|cx| waiter.poll(cx)).await;
    }
}
