//! One start: how it enters the cell, how a cancellation reaches it, and how it is taken back.
//!
//! # How a cancellation reaches the cell
//!
//! Checking the token and then publishing is a race, with a compare-and-swap too: the flag is
//! behind the token's own lock, the state in our atomic, and nothing joins the two. So we do not
//! check. `CancellationToken::cancel` sets the flags of the token and its descendants, and wakes
//! all of their waiters **before it returns** (tokio-util since 0.7.20, pinned by
//! `tests/canary.rs`). One of these waiters is ours, with the [`Hook`] as its waker: its
//! `wake` *is* the transition. Once `cancel()` has returned, the word carries the mark, and the
//! commit that comes later fails its compare-and-swap.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};
use pin_project_lite::pin_project;

use crate::book::Tether;
use crate::cell::{Shared, StateCell};
use crate::error::StartError;
use crate::failure::Failure;
use crate::panics::Panics;
use crate::state::State;
use crate::sync::{AtomicU64, Ordering};
use crate::token::TokenParameter;
use crate::wait::Ended;
use crate::word::{Gone, Number, Phase, Snapshot, StartFrom, is_reserved};

/// The waker that moves the cell.
///
/// It does nothing until its own start has won the cell, or cancelling a start that lost would
/// refuse the one that won. It holds the cell weakly: the cell holds the wait future, that the
/// token, and the token this.
#[derive(Debug)]
struct Hook<S: State> {
    cell: Weak<Shared<S>>,
    /// `UNARMED`, the number of the attempt to end, or `FIRED`.
    target: AtomicU64,
    /// The number of the attempt, once it has one.
    number: AtomicU64,
}

/// No attempt has this number.
const UNARMED: Number = 0;
/// Nor this one.
const FIRED: Number = Number::MAX;

impl<S: State> Hook<S> {
    fn new(cell: &StateCell<S>) -> Arc<Self> {
        Arc::new(Self {
            cell: Arc::downgrade(&cell.shared),
            target: AtomicU64::new(UNARMED),
            number: AtomicU64::new(UNARMED),
        })
    }

    /// The start has won and is attempt `number`. `false` if the token was cancelled since it
    /// was polled: then there was no wake to act on, and there will be none.
    #[must_use]
    fn arm(&self, number: Number) -> bool {
        self.number.store(number, Ordering::Release);
        self.target
            .compare_exchange(UNARMED, number, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl<S: State> Wake for Hook<S> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let target = self.target.swap(FIRED, Ordering::AcqRel);
        if target == UNARMED || target == FIRED {
            return;
        }
        if let Some(cell) = self.cell.upgrade() {
            cell.cancel(target);
        }
    }
}

/// What a start asks of the cell.
#[derive(Debug)]
pub(crate) struct Entry<S: State> {
    pub(crate) cell: StateCell<S>,
    hook: Arc<Hook<S>>,
    /// The caller's token.
    token: Option<CancellationToken>,
    pub(crate) from: StartFrom,
    /// Whether the body sees a token of its own.
    pub(crate) with_child: bool,
}

impl<S: State> Entry<S> {
    pub(crate) fn new(cell: StateCell<S>, token: Option<CancellationToken>) -> Self {
        Self {
            hook: Hook::new(&cell),
            cell,
            token,
            from: StartFrom::Initial,
            with_child: false,
        }
    }

    /// The attempt that is to come, as its body will know it.
    pub(crate) fn body_handle(&self) -> BodyHandle<S> {
        BodyHandle {
            cell: self.cell.clone(),
            hook: Arc::clone(&self.hook),
        }
    }

    /// Wins the cell, or says why not: first the state, then the token.
    ///
    /// `drop_body` gives up the body, unpolled, before a refusal can be read from the cell.
    pub(crate) fn enter(&mut self, drop_body: impl FnOnce()) -> Result<Attempt<S>, StartError> {
        let shared = &self.cell.shared;
        let word = shared.load();
        if !word.is_startable(self.from) {
            return Err(not_startable(word.state()));
        }

        let parent = self.token.take();
        // The hook goes on the token that the body sees, and before the body sees it: there it
        // precedes all that the body registers.
        let mut tether = Tether {
            wait: None,
            token: match parent {
                Some(parent) if self.with_child => Some(parent.child_token()),
                parent => parent,
            },
            is_own: self.with_child,
        };
        if let Some(token) = &tether.token {
            // One poll both checks the token and registers the hook: nothing falls between.
            let Some(wait) = register(token, &self.hook) else {
                drop_body();
                return Err(match shared.refuse_entry(self.from) {
                    Ok(()) => StartError::Cancelled,
                    Err(state) => not_startable(state),
                });
            };
            tether.wait = Some(wait);
        }

        let number = shared.begin(self.from, tether).map_err(not_startable)?;
        if !self.hook.arm(number) {
            shared.cancel(number);
        }
        Ok(Attempt {
            cell: self.cell.clone(),
            number,
        })
    }
}

fn not_startable<S: State>(state: S) -> StartError {
    StartError::NotStartable {
        state: state.name(),
    }
}

/// Registers `hook` with `token`, or `None` if that is cancelled already.
fn register<S: State>(
    token: &CancellationToken,
    hook: &Arc<Hook<S>>,
) -> Option<Pin<Box<WaitForCancellationFutureOwned>>> {
    let mut wait = Box::pin(token.clone().cancelled_owned());
    let waker = Waker::from(Arc::clone(hook));
    match wait.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(()) => None,
        Poll::Pending => Some(wait),
    }
}

/// An attempt, as the future that drives it holds it, for as long as its body exists.
#[derive(Debug)]
pub(crate) struct Attempt<S: State> {
    cell: StateCell<S>,
    number: Number,
}

impl<S: State> Attempt<S> {
    pub(crate) fn word(&self) -> Snapshot<S> {
        self.cell.shared.load()
    }

    /// The task to wake when the attempt is told to end.
    pub(crate) fn wake_on_interrupt(&self, waker: &Waker) {
        let shared = &self.cell.shared;
        let known = shared.with_book(|book, _| {
            let task = book.task.as_ref();
            task.is_some_and(|task| task.will_wake(waker))
        });
        if !known {
            // Cloned before the lock is taken, and the old one dropped after.
            let waker = waker.clone();
            let _old = shared.with_book(|book, _| book.task.replace(waker));
        }
    }

    /// Records why the attempt failed. The first cause stays. The caller takes the attempt down.
    pub(crate) fn record(&self, failure: Failure) {
        if let Some((_, aftermath)) = self.cell.shared.record(Some(self.number), failure) {
            aftermath.carry_out();
        }
    }

    /// Publishes, if nobody told the attempt to end.
    pub(crate) fn commit(&self) -> Result<(), StartError> {
        self.cell
            .shared
            .publish(self.number, |word| word.commit(self.number))
            .map_err(refusal)
    }

    /// The body is gone, and the attempt with it, unless it had published and something served
    /// remains. If it had not, the futures that were to be served are dropped and its token is
    /// cancelled, and then `FAILED` can be read. That may be left to another thread, which is
    /// just dropping one of them: then the answer is what to wait for.
    pub(crate) fn leave(self, panics: &mut Panics) -> Option<Ended<S>> {
        let Self { cell, number } = self;
        let shared = &cell.shared;
        let (refused, has_failed) = shared.with_book(|book, word| {
            let refused = if word.is_published() {
                Vec::new()
            } else {
                std::mem::take(&mut book.unpublished)
            };
            (refused, word.has_failed())
        });
        let mut dropped = 0;
        for future in refused.iter().filter_map(Weak::upgrade) {
            panics.catch(|| {
                if let Some(future) = future.revoke() {
                    dropped += 1;
                    drop(future);
                }
            });
        }
        if has_failed {
            shared.cancel_token(number);
        }
        shared.end(number, Gone::Body, dropped);

        let word = shared.load();
        let unfinished = word.number() == number && word.phase() == Phase::Starting;
        unfinished.then(|| Ended::of(shared, number))
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

/// The attempt as its body knows it.
#[derive(Debug)]
pub struct BodyHandle<S: State> {
    cell: StateCell<S>,
    hook: Arc<Hook<S>>,
}

impl<S: State> BodyHandle<S> {
    fn number(&self) -> Number {
        self.hook.number.load(Ordering::Acquire)
    }

    /// The attempt's own token in the form of the caller's `parameter`, which is given up.
    pub fn child<T: TokenParameter>(&self, parameter: T) -> T::Child {
        // Where there is none, the caller passed `None`, and `None` it stays, whatever the form
        // is made with.
        let child = self.cell.shared.own_token().unwrap_or_default();
        parameter.in_form(&child)
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
        let (shared, number) = (&self.cell.shared, self.number());
        // Declined: the attempt was told to end, and ends at its next await or return.
        let _ = shared.publish(number, |word| word.store(number, state));
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
        let shared = &self.cell.shared;
        shared.change(|word| word.shield(number, on)).is_ok()
    }

    fn is_interrupted(&self) -> bool {
        let word = self.cell.shared.load();
        word.number() == self.number() && word.is_interrupted()
    }
}

/// Keeps the body from being interrupted.
#[derive(Debug)]
pub struct Shield<'a, S: State> {
    attempt: &'a BodyHandle<S>,
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
pub fn watch<S: State, F: IntoFuture>(
    attempt: &BodyHandle<S>,
    future: F,
) -> Watch<'_, S, F::IntoFuture> {
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
        attempt: &'a BodyHandle<S>,
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
pub async fn checkpoint<S: State>(attempt: &BodyHandle<S>) {
    watch(attempt, std::future::ready(())).await;
}
