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
/// It is boxed because the token's list of waiters points into it. The token holds the cell until it
/// has woken it, or the registration is dropped. So the cell drops it when the attempt ends, and when
/// the last handle of the cell is dropped.
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

/// The token of the attempt under way, and the registration on it.
#[derive(Default)]
pub(crate) struct AttemptToken {
    guard: GuardToken,
    registration: Option<CancelRegistration>,
}

impl AttemptToken {
    /// Not registered yet.
    #[inline]
    pub(crate) fn new(guard: GuardToken) -> Self {
        Self {
            registration: guard.get().map(CancelRegistration::new),
            guard,
        }
    }

    /// Registers `waker`. `false` if the token is already cancelled.
    #[inline]
    #[must_use]
    pub(crate) fn register(&mut self, waker: &Waker) -> bool {
        let registration = self.registration.as_mut();
        registration.is_none_or(|registration| registration.register(waker))
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        let token = self.guard.get();
        token.is_some_and(CancellationToken::is_cancelled)
    }

    /// The attempt's own token, if it has one.
    #[inline]
    pub(crate) fn own(&self) -> Option<&CancellationToken> {
        self.guard.own()
    }

    /// The attempt's own token, if it is not cancelled.
    #[inline]
    pub(crate) fn live_own(&self) -> Option<&CancellationToken> {
        self.own().filter(|own| !own.is_cancelled())
    }

    /// Makes the attempt's own token, and registers `waker` on it before it is handed out. Returns
    /// the registration that it replaces, to be dropped after unlock.
    ///
    /// `cancel()` of the caller's token flags its child, too, and wakes what is registered there. If
    /// the caller's token is cancelled meanwhile, its registration stays, and moves the cell.
    pub(crate) fn make_own(
        &mut self,
        waker: &Waker,
    ) -> (CancellationToken, Option<CancelRegistration>) {
        let own = self.guard.make_own();
        let mut registration = CancelRegistration::new(own);
        let replaced = if registration.register(waker) {
            self.registration.replace(registration)
        } else {
            None
        };
        (own.clone(), replaced)
    }

    #[inline]
    pub(crate) fn take_registration(&mut self) -> Option<CancelRegistration> {
        self.registration.take()
    }
}
