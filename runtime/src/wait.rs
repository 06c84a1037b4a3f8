//! Waiting for a cell: what `running`, `stopped` and `wait_for` return.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::book::{Book, Unpolled, Verdict, WaitsFor};
use crate::cell::StateCell;
use crate::error::NotRunning;
use crate::panics::quietly;
use crate::state::State;
use crate::word::{Number, Phase, Snapshot};

/// An entry among a cell's waiters, taken out again when this is dropped.
struct Waiter<S: State> {
    cell: StateCell<S>,
    key: u64,
}

impl<S: State> Waiter<S> {
    /// `bind` judges by the word what is waited for, and whether it has come already. It does
    /// so under the lock, under which attempts publish and end.
    fn new(
        cell: &StateCell<S>,
        bind: impl FnOnce(Snapshot<S>) -> (WaitsFor, Option<Verdict>),
    ) -> Self {
        let key = cell.shared.attend(|book, word| {
            let (waits_for, verdict) = bind(word);
            book.appendix().add_waiter(waits_for, verdict)
        });
        let cell = cell.clone();
        Self { cell, key }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Verdict> {
        // Cloned here and dropped here: both may be foreign code, which the lock must not see.
        let waker = cx.waker().clone();
        let (verdict, unused) = self
            .cell
            .shared
            .with_book(|book| book.appendix().poll_waiter(self.key, waker));
        quietly(|| drop(unused));
        verdict.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: State> Drop for Waiter<S> {
    fn drop(&mut self) {
        let waker = self
            .cell
            .shared
            .with_book(|book| book.appendix().remove_waiter(self.key));
        quietly(|| drop(waker));
    }
}

/// Waits for an attempt to publish, or to end without.
pub(crate) struct Running<S: State>(Waiter<S>);

impl<S: State> Running<S> {
    /// Of the attempt under way, or of the next one if there is none.
    pub(crate) fn of_current_or_next(cell: &StateCell<S>) -> Self {
        Self(Waiter::new(cell, |word| {
            if word.is_at_rest() {
                (WaitsFor::Running(word.number() + 1), None)
            } else {
                Self::terms(word)
            }
        }))
    }

    /// Of the attempt under way, for `future` that joins it in the same moment, and can be
    /// [taken](Self::take_served) from here. If there is no attempt, or if it is failing, the future
    /// comes back.
    pub(crate) fn join(cell: &StateCell<S>, future: Unpolled) -> Result<(Number, Self), Unpolled> {
        let (number, key) = cell.shared.attend(|book, word| {
            let open = word.phase() == Phase::Starting || word.is_published();
            if word.is_at_rest() || word.has_failed() || !open {
                return Err(future);
            }
            let (waits_for, verdict) = Self::terms(word);
            let appendix = book.appendix();
            let key = appendix.add_waiter(waits_for, verdict);
            appendix.add_served(key, future);
            Ok((word.number(), key))
        })?;
        let cell = cell.clone();
        Ok((number, Self(Waiter { cell, key })))
    }

    /// The future that has joined, unless a refusal has taken it.
    pub(crate) fn take_served(&self) -> Option<Unpolled> {
        let Self(Waiter { cell, key }) = self;
        let book = |book: &mut Book| book.appendix().take_served(*key);
        cell.shared.with_book(book)
    }

    /// While the attempt that `word` speaks of is under way.
    fn terms(word: Snapshot<S>) -> (WaitsFor, Option<Verdict>) {
        let verdict = word.is_published().then_some(Ok(()));
        (WaitsFor::Running(word.number()), verdict)
    }
}

impl<S: State> Future for Running<S> {
    type Output = Result<(), NotRunning>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx)
    }
}

/// Waits for an attempt to end.
pub(crate) struct Ended<S: State>(Waiter<S>);

impl<S: State> Ended<S> {
    /// Of the attempt under way, if there is one.
    pub(crate) fn of_current(cell: &StateCell<S>) -> Self {
        Self(Waiter::new(cell, Self::terms))
    }

    /// Asks the attempt under way to stop, and waits for that very one. Whether this did it.
    pub(crate) fn of_requested_stop(cell: &StateCell<S>) -> (bool, Self) {
        let (requested, key) = cell.shared.request_stop(|book, word| {
            let (waits_for, verdict) = Self::terms(word);
            book.appendix().add_waiter(waits_for, verdict)
        });
        let cell = cell.clone();
        (requested, Self(Waiter { cell, key }))
    }

    fn terms(word: Snapshot<S>) -> (WaitsFor, Option<Verdict>) {
        let verdict = word.is_at_rest().then_some(Ok(()));
        (WaitsFor::Ended(word.number()), verdict)
    }

    /// Of attempt `number`.
    pub(crate) fn of(cell: &StateCell<S>, number: Number) -> Self {
        Self(Waiter::new(cell, |word| {
            let over = word.number() != number || word.is_at_rest();
            (WaitsFor::Ended(number), over.then_some(Ok(())))
        }))
    }
}

impl<S: State> Future for Ended<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx).map(|_always_ok| ())
    }
}

/// Waits for the first state seen that satisfies `wanted`.
pub(crate) async fn wait_for<S, P>(cell: StateCell<S>, mut wanted: P) -> S
where
    S: State,
    P: FnMut(S) -> bool,
{
    let waiter = Waiter::new(&cell, |_| (WaitsFor::Change, None));
    loop {
        // Registered before the look, so that no change falls between the two.
        let state = cell.state();
        if wanted(state) {
            return state;
        }
        let _ = poll_fn(|cx| waiter.poll(cx)).await;
    }
}
