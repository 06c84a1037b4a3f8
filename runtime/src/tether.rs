//! What ties an attempt to its token, for as long as the attempt lasts: a cancellation moves the
//! cell while the start is under way, and while the service that came of it lives.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The wait for a token's cancellation, as the cell holds it.
pub(crate) struct Tether {
    /// Boxed, since the token's list of waiters points into it.
    wait: Pin<Box<WaitForCancellationFutureOwned>>,
    own: Option<CancellationToken>,
}

impl Tether {
    /// To a token that others have, too.
    #[inline]
    pub(crate) fn to(token: CancellationToken) -> Self {
        let wait = Box::pin(token.cancelled_owned());
        Self { wait, own: None }
    }

    /// To the attempt's own token, a child of the caller's: the body sees it, and it ends with the
    /// attempt.
    #[inline]
    pub(crate) fn to_own(token: CancellationToken) -> Self {
        let wait = Box::pin(token.clone().cancelled_owned());
        let own = Some(token);
        Self { wait, own }
    }

    /// Whether the token is cancelled. If it is not, `hook` is among its waiters.
    ///
    /// One poll both checks and registers, so that nothing falls between the two.
    #[inline]
    #[must_use]
    pub(crate) fn poll(&mut self, hook: &Waker) -> bool {
        let mut cx = Context::from_waker(hook);
        self.wait.as_mut().poll(&mut cx).is_ready()
    }

    /// The same, where `hook` is among them already.
    #[inline]
    pub(crate) fn is_cancelled(&mut self, hook: &Waker) -> bool {
        match &self.own {
            Some(token) => token.is_cancelled(),
            None => self.poll(hook),
        }
    }

    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.own.as_ref()
    }
}
