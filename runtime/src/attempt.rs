//! One start: how it enters the cell, what its body can ask for, and how it is taken back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use crate::cell::{Declined, Shared, StateCell};
use crate::error::StartError;
use crate::failure::Failure;
use crate::held::Held;
use crate::panics::Panics;
use crate::state::State;
use crate::token::TokenParameter;
use crate::wait::Ended;
use crate::word::{Gone, Number, Phase, Snapshot, StartFrom, is_reserved};

/// What can be named in `state = ..`: a [`StateCell`], or a `&` or an `Arc` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `StateCell`",
    label = "not a `StateCell`, nor a `&` or an `Arc` of one",
    note = "`state = ..` names the `cancel_guarded::StateCell` of this service; put one in the place of an atomic, or of a state behind a lock"
)]
pub trait AsCell<S: State> {
    /// The cell.
    fn as_cell(&self) -> &StateCell<S>;
}

impl<S: State> AsCell<S> for StateCell<S> {
    fn as_cell(&self) -> &Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<S: State, C: AsCell<S> + ?Sized> AsCell<S> for &C {
    fn as_cell(&self) -> &StateCell<S> {
        (**self).as_cell()
    }
}

#[diagnostic::do_not_recommend]
impl<S: State, C: AsCell<S> + ?Sized> AsCell<S> for Arc<C> {
    fn as_cell(&self) -> &StateCell<S> {
        (**self).as_cell()
    }
}

/// The cell of a start that has no state to publish: nobody but the guard sees it.
pub fn unpublished() -> StateCell {
    StateCell::new()
}

/// A handle to `cell`, where the body of the start takes away what the cell is a part of.
pub fn cell<S: State, C: AsCell<S> + ?Sized>(cell: &C) -> StateCell<S> {
    cell.as_cell().clone()
}

/// One attempt to start a service: what drives it and its body share it.
pub struct Attempt<'a, S: State> {
    cell: &'a StateCell<S>,
    /// What the cell is a handle to: a check at an await is one step shorter by it.
    shared: &'a Shared<S>,
    /// Set once it has won the cell, before the body is polled, by the task that polls the body.
    number: AtomicU64,
}

/// No attempt has this number.
const NOT_BEGUN: Number = 0;

/// An attempt to start the service whose state is `cell`.
pub fn attempt<S: State, C: AsCell<S> + ?Sized>(cell: &C) -> Attempt<'_, S> {
    let cell = cell.as_cell();
    Attempt {
        cell,
        shared: &cell.shared,
        number: AtomicU64::new(NOT_BEGUN),
    }
}

impl<S: State> fmt::Debug for Attempt<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("cell", &self.cell)
            .field("number", &self.number())
            .finish()
    }
}

/// For what drives it.
impl<S: State> Attempt<'_, S> {
    #[inline]
    pub(crate) fn word(&self) -> Snapshot<S> {
        self.shared.load()
    }

    #[inline]
    fn number(&self) -> Number {
        self.number.load(Ordering::Relaxed)
    }

    /// Wins the cell, or says why not: first the state, then the token.
    #[inline]
    pub(crate) fn enter(&self, token: &mut Held<'_>, from: StartFrom) -> Result<(), Declined<S>> {
        let word = self.word();
        if !word.is_startable(from) {
            return Err(Declined::NotStartable(word.state()));
        }
        if matches!(token, Held::Cancelled) {
            return Err(Declined::Cancelled);
        }
        self.begin(token, from)
    }

    fn begin(&self, token: &mut Held<'_>, from: StartFrom) -> Result<(), Declined<S>> {
        let tether = token.tether();
        let number = self.cell.shared.begin(from, tether)?;
        self.number.store(number, Ordering::Relaxed);
        Ok(())
    }

    /// What a start is refused with that did not win the cell. Its body is gone.
    #[inline]
    pub(crate) fn refuse_entry(&self, declined: Declined<S>, from: StartFrom) -> StartError {
        let declined = match declined {
            Declined::Cancelled => self.cell.shared.refuse_entry(from),
            Declined::NotStartable(_) => Err(declined),
        };
        match declined {
            Ok(()) | Err(Declined::Cancelled) => StartError::Cancelled,
            Err(Declined::NotStartable(state)) => StartError::NotStartable {
                state: state.name(),
            },
        }
    }

    /// The task to wake when the attempt is told to end.
    pub(crate) fn wake_on_interrupt(&self, waker: &Waker) {
        let shared = self.shared;
        let is_known = self.word().is_attended()
            && shared.with_book(|book| {
                let task = book.task.as_ref();
                task.is_some_and(|task| task.will_wake(waker))
            });
        if !is_known {
            // Cloned before the lock is taken, and the old one dropped after.
            let waker = waker.clone();
            let _old = shared.attend(|book, _| book.task.replace(waker));
        }
    }

    /// Records why the attempt failed. The first cause stays. The caller takes the attempt down.
    pub(crate) fn record(&self, failure: Failure) {
        self.cell.shared.record(self.number(), failure);
    }

    /// Publishes, if nobody told the attempt to end. If it is not to be, the answer is the word that
    /// says why.
    #[inline]
    pub(crate) fn commit(&self, token: &Held<'_>) -> Result<(), Snapshot<S>> {
        let shared = &self.cell.shared;
        shared.commit(self.number(), || token.is_live())
    }

    /// The body is gone, and the attempt with it, unless it had published and something served
    /// remains. If it had not, the futures that were to be served are dropped and its token is
    /// cancelled, and then `FAILED` can be read. That may be left to another thread, which is
    /// just dropping one of them: then the answer is what to wait for.
    pub(crate) fn leave(&self, panics: &mut Panics) -> Option<Ended<S>> {
        let (shared, number) = (&self.cell.shared, self.number());
        let word = self.word();
        let mut dropped = 0;
        // No more of them come: an attempt that leaves without having published has failed.
        if word.is_attended() && !word.is_published() {
            for future in shared.with_book(|book| book.take_unpolled(number)) {
                dropped += 1;
                panics.catch(|| drop(future));
            }
        }
        let word = shared.end(number, Gone::Body, dropped);
        let is_unfinished = word.number() == number && word.phase() == Phase::Starting;
        is_unfinished.then(|| Ended::of(self.cell, number))
    }
}

/// Why a start is refused whose word reads `word`.
pub(crate) fn refusal<S: State>(word: Snapshot<S>) -> StartError {
    if word.is_cancelled() {
        StartError::Cancelled
    } else {
        StartError::Failed
    }
}

/// For its body.
impl<S: State> Attempt<'_, S> {
    /// The attempt's own token in the form of the caller's `parameter`, which is given up.
    pub fn child<T: TokenParameter>(&self, parameter: T) -> T::Child {
        // Where there is none, the caller passed `None`, and `None` it stays, whatever the form
        // is made with.
        let own_token = self.cell.shared.with_book(|book| book.own_token().cloned());
        parameter.in_form(own_token.unwrap_or_default())
    }

    /// What `STATE.store(state)` in a guarded body means.
    ///
    /// # Panics
    ///
    /// If `state` is `INITIAL`, `STARTING` or `FAILED`, which only the guard writes.
    #[track_caller]
    pub fn store(&self, state: S) {
        assert!(
            !is_reserved(state),
            "a start cannot store {}: only the guard writes INITIAL, STARTING and FAILED; return an error, or call `fail`, to fail the start",
            state.name(),
        );
        let number = self.number();
        // Declined: the attempt was told to end, and ends at its next await or return.
        let _ = self.cell.shared.publish(|word| word.store(number, state));
    }

    /// From here until the answer is dropped, the body is not interrupted.
    #[must_use = "the shield ends when this is dropped"]
    pub fn shield(&self) -> Shield<'_, S> {
        let raised = self.set_shield(true);
        Shield {
            attempt: self,
            raised,
        }
    }

    fn set_shield(&self, on: bool) -> bool {
        let number = self.number();
        let shared = self.shared;
        shared.change(|word| word.shield(number, on)).is_ok()
    }

    /// Whether the body is to end at its next await. While it is polled, the word speaks of its own
    /// attempt.
    #[inline]
    fn is_interrupted(&self) -> bool {
        self.word().is_interrupted()
    }
}

/// Keeps the body from being interrupted.
#[derive(Debug)]
pub struct Shield<'a, S: State> {
    attempt: &'a Attempt<'a, S>,
    /// Whether it was this one that raised the shield, and not one around it.
    raised: bool,
}

impl<S: State> Drop for Shield<'_, S> {
    fn drop(&mut self) {
        if self.raised {
            self.attempt.set_shield(false);
        }
    }
}

/// Awaits `future` within a guarded body: its value arrives only if the attempt was not told to
/// end meanwhile.
pub fn watch<'a, S: State, F: IntoFuture>(
    attempt: &'a Attempt<'a, S>,
    future: F,
) -> Watch<'a, S, F::IntoFuture> {
    Watch {
        attempt,
        future: future.into_future(),
    }
}

pin_project! {
    /// What [`watch`] returns.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Watch<'a, S: State, F> {
        attempt: &'a Attempt<'a, S>,
        #[pin]
        future: F,
    }
}

impl<S: State, F: Future> Future for Watch<'_, S, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            // Nobody needs to be woken: the guarded future looks at the word after this very
            // poll of the body, and drops it.
            Poll::Ready(value) if this.attempt.is_interrupted() => {
                drop(value);
                Poll::Pending
            }
            poll => poll,
        }
    }
}

/// Goes no further if the attempt was told to end.
pub fn checkpoint<'a, S: State>(attempt: &'a Attempt<'a, S>) -> Checkpoint<'a, S> {
    Checkpoint(attempt)
}

/// What [`checkpoint`] returns.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Checkpoint<'a, S: State>(&'a Attempt<'a, S>);

impl<S: State> Future for Checkpoint<'_, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.is_interrupted() {
            // As in `Watch`.
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}
