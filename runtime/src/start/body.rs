//! The calls in a guarded body: checks at its awaits, stores, shields, and the token it sees.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::as_cell::AsCell;
use crate::lifecycle::{Lifecycle, State};
use crate::shared::{AttemptId, Handle, Snapshot, is_reserved};
use crate::token::TokenParameter;

/// One start. The future that drives it and its body share it.
pub struct Start<S: State> {
    pub(super) handle: Handle<S>,
    /// Set when the start has won the cell, before its body is polled, by the task that polls it.
    attempt: AtomicU64,
    /// The state that the body has stored last since it published, as its index.
    last_stored: AtomicU16,
}

/// No attempt has this id.
const NOT_BEGUN: AttemptId = 0;

/// The index of no state.
const NOTHING_STORED: u16 = u16::MAX;

/// A start of the service whose state is `cell`.
pub fn start<S: State, C: AsCell<S> + ?Sized>(cell: &C) -> Start<S> {
    Start::new(cell.as_handle().clone(), NOT_BEGUN)
}

/// A start without a state: only the guard sees its cell.
pub fn stateless() -> Start<Lifecycle> {
    Start::new(Handle::new(None), NOT_BEGUN)
}

impl<S: State> Start<S> {
    pub(super) fn new(handle: Handle<S>, attempt: AttemptId) -> Self {
        Self {
            handle,
            attempt: AtomicU64::new(attempt),
            last_stored: AtomicU16::new(NOTHING_STORED),
        }
    }

    // Relaxed in both: only the task that polls the body uses them.
    #[inline]
    pub(super) fn attempt(&self) -> AttemptId {
        self.attempt.load(Ordering::Relaxed)
    }

    pub(super) fn set_attempt(&self, attempt: AttemptId) {
        self.attempt.store(attempt, Ordering::Relaxed);
    }

    /// The attempt's own token, in the form of the caller's `parameter`.
    pub fn child<T: TokenParameter>(&self, parameter: T) -> T::Child {
        // Without an own token the caller passed `None`, which stays `None`.
        let own = self.handle.own_token(Some(self.attempt()));
        parameter.in_form(own.unwrap_or_default())
    }

    /// `STATE.store(state)` in a guarded body.
    ///
    /// # Panics
    ///
    /// If `state` is one that only the guard writes: `INITIAL`, `STARTING`, `STOPPED` or `FAILED`,
    /// and `RUNNING` in a start, which is published when its body has returned.
    #[track_caller]
    pub fn store(&self, state: S) {
        assert!(
            !is_reserved(state),
            "a body cannot store {}: only the guard writes INITIAL, STARTING, STOPPED and FAILED; \
             return, or return an error, to end the service",
            state.name(),
        );
        let word = self.handle.load();
        assert!(
            state != S::RUNNING || word.is_run(),
            "a start cannot store {}: the guard publishes it when the body has returned; if the \
             function runs until the service is over, write `#[cancel_guarded(run, ..)]`",
            state.name(),
        );
        let id = self.attempt();
        let last = self.last_stored();
        // Not made if the attempt was told to end: it ends at its next await or return.
        let stored = self.handle.publish(|word| word.store(id, last, state));
        if stored.is_ok_and(Snapshot::is_published) {
            let index = u16::from(state.index());
            self.last_stored.store(index, Ordering::Relaxed);
        }
    }

    /// The state that the body has written last, once it is published.
    fn last_stored(&self) -> S {
        let index = self.last_stored.load(Ordering::Relaxed);
        let stored = S::VARIANTS.get(usize::from(index));
        stored.copied().unwrap_or(S::RUNNING)
    }

    /// Whether the body has to end at its next await. While it is polled, the word is that of its
    /// own attempt.
    #[inline]
    pub(super) fn should_interrupt(&self) -> bool {
        self.handle.load().should_interrupt()
    }
}

impl<S: State> fmt::Debug for Start<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("service", &self.handle.name())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

/// Ends the body here if the attempt was told to end, or else keeps it from being interrupted until
/// the [`ShieldGuard`] is dropped. One compare-and-swap decides.
pub fn shield<S: State>(start: &Start<S>) -> RaiseShield<'_, S> {
    RaiseShield(start)
}

/// The future of [`shield`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct RaiseShield<'a, S: State>(&'a Start<S>);

impl<'a, S: State> Future for RaiseShield<'a, S> {
    type Output = ShieldGuard<'a, S>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<ShieldGuard<'a, S>> {
        let start = self.0;
        let id = start.attempt();
        match start.handle.change(|word| word.raise_shield(id)) {
            // As in `Checked`.
            Err(word) if word.should_interrupt() => Poll::Pending,
            raised => Poll::Ready(ShieldGuard {
                start,
                is_outermost: raised.is_ok(),
            }),
        }
    }
}

/// Keeps the body from being interrupted.
#[derive(Debug)]
#[must_use = "the shield ends when this is dropped"]
pub struct ShieldGuard<'a, S: State> {
    start: &'a Start<S>,
    is_outermost: bool,
}

impl<S: State> Drop for ShieldGuard<'_, S> {
    fn drop(&mut self) {
        if self.is_outermost {
            let id = self.start.attempt();
            // Not lowered if the body is gone.
            let _ = self.start.handle.change(|word| word.lower_shield(id));
        }
    }
}

/// Awaits `operand` in a guarded body, unless the attempt was told to end: then the future is not
/// polled, or its value does not arrive.
///
/// That the operand converts into a future is required where it is polled, and not here too: rustc
/// would report one mistake twice.
pub fn checked<S: State, F, I>(start: &Start<S>, operand: F) -> Checked<'_, S, F, I> {
    Checked {
        start,
        awaited: Awaited::Made { operand },
    }
}

pin_project! {
    /// The future of [`checked`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Checked<'a, S: State, F, I> {
        start: &'a Start<S>,
        #[pin]
        awaited: Awaited<F, I>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = AwaitedProjection]
    #[project_replace = AwaitedReplaced]
    enum Awaited<F, I> {
        // Nothing has been polled.
        Made { operand: F },
        Polled { #[pin] future: I },
        // While the operand is converted.
        Taken,
    }
}

impl<S: State, F: IntoFuture<IntoFuture = I>, I: Future> Future for Checked<'_, S, F, I> {
    type Output = I::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<I::Output> {
        let mut this = self.project();
        // `Pending` without a waker: the future around the body looks at the word after this very
        // poll of the body, and drops it.
        if let AwaitedProjection::Made { .. } = this.awaited.as_mut().project() {
            if this.start.should_interrupt() {
                return Poll::Pending;
            }
            let made = this.awaited.as_mut().project_replace(Awaited::Taken);
            if let AwaitedReplaced::Made { operand } = made {
                let future = operand.into_future();
                this.awaited.set(Awaited::Polled { future });
            }
        }
        let AwaitedProjection::Polled { future } = this.awaited.project() else {
            return Poll::Pending;
        };
        match future.poll(cx) {
            Poll::Ready(value) if this.start.should_interrupt() => {
                drop(value);
                Poll::Pending
            }
            poll => poll,
        }
    }
}

/// Ends the body here if the attempt was told to end.
pub fn checkpoint<S: State>(start: &Start<S>) -> Checkpoint<'_, S> {
    Checkpoint(start)
}

/// The future of [`checkpoint`].
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Checkpoint<'a, S: State>(&'a Start<S>);

impl<S: State> Future for Checkpoint<'_, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.should_interrupt() {
            // As in `Checked`.
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}
