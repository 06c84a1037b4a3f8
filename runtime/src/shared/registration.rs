//! How a cancellation reaches the cell.
//!
//! Checking the token and then publishing is a race, even with a compare-and-swap: the token's own
//! lock protects the flag, our atomic holds the state, and nothing joins the two. So the cell
//! registers a waker among the waiters of the token. `CancellationToken::cancel` sets the flags of
//! the token and its descendants, and wakes all their waiters **before it returns** (tokio-util
//! since 0.7.20, pinned by `tests/canary.rs`). The waker is the cell itself: it makes the transition
//! inside of `wake`. So when `cancel()` has returned, the word has changed, and a commit that comes
//! later fails its compare-and-swap.
//!
//! A wake says only that there is something to look at. The cell then asks the token of the attempt
//! under way. So a wake for an earlier attempt, or for a start that did not win the cell, finds a
//! token that is not cancelled, or none, and does nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};
use crate::token::GuardToken;

/// The wait for the cancellation of a token, with the cell as its waker.
///
/// It is boxed because the token's list of waiters points into it. The token holds the cell as long
/// as the registration lasts, so the cell gives it up when the attempt is told to end, or when the
/// last handle of the cell is dropped.
pub(crate) struct CancelRegistration(Pin<Box<WaitForCancellationFutureOwned>>);

impl CancelRegistration {
    #[inline]
    fn new(token: &CancellationToken) -> Self {
        Self(Box::pin(token.clone().cancelled_owned()))
    }

    /// Registers `waker`. `false` if the token is already cancelled.
    ///
    /// One poll checks and registers, so nothing comes between the two. There must not be a second
    /// poll: while `cancel()` wakes the waiters, a poll takes this one out of the list, and
    /// `cancel()` returns without having woken it.
    #[must_use]
    fn register(&mut self, waker: &Waker) -> bool {
        let wait = self.0.as_mut();
        wait.poll(&mut Context::from_waker(waker)).is_pending()
    }
}

/// The tokens of the attempt under way.
#[derive(Default)]
pub(crate) struct AttemptTokens {
    /// The token that guards the start, while the attempt has no token of its own.
    guard: Option<CancellationToken>,
    /// A child of that token. Made when it is first needed.
    own: Option<CancellationToken>,
    /// On the first token that the attempt had.
    registration: Option<CancelRegistration>,
}

impl AttemptTokens {
    /// The tokens of an attempt that is guarded by `token`, not registered yet.
    #[inline]
    pub(crate) fn new(token: GuardToken) -> Self {
        let (guard, own) = match token {
            GuardToken::None | GuardToken::Cancelled => (None, None),
            GuardToken::Shared(token) => (Some(token), None),
            GuardToken::Own(token) => (None, Some(token)),
        };
        let first = own.as_ref().or(guard.as_ref());
        Self {
            registration: first.map(CancelRegistration::new),
            guard,
            own,
        }
    }

    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.guard.is_some() || self.own.is_some()
    }

    /// Registers `waker` on the first token. `false` if that is already cancelled.
    #[inline]
    #[must_use]
    pub(crate) fn register(&mut self, waker: &Waker) -> bool {
        let registration = self.registration.as_mut();
        registration.is_none_or(|registration| registration.register(waker))
    }

    /// Whether the token that guards the attempt, or its own, is cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        let token = self.own.as_ref().or(self.guard.as_ref());
        token.is_some_and(CancellationToken::is_cancelled)
    }

    #[inline]
    pub(crate) fn own(&self) -> Option<&CancellationToken> {
        self.own.as_ref()
    }

    /// Makes the attempt's own token. `waker` is registered on it before it is handed out. The
    /// registration on the token that guards the start stays.
    pub(crate) fn make_own(
        &mut self,
        waker: &Waker,
    ) -> (CancellationToken, Option<CancelRegistration>) {
        let own = match &self.guard {
            Some(guard) => guard.child_token(),
            None => CancellationToken::new(),
        };
        let mut registration = CancelRegistration::new(&own);
        // If the parent was cancelled meanwhile, the registration on that moves the cell.
        let is_registered = registration.register(waker);
        self.own = Some(own.clone());
        (own, is_registered.then_some(registration))
    }

    /// The attempt is told to end: cancellations no longer concern it.
    #[inline]
    pub(crate) fn take_registration(&mut self) -> Option<CancelRegistration> {
        self.registration.take()
    }
}
