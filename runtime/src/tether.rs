//! What ties an attempt to its token, for as long as the attempt lasts: a cancellation moves the
//! cell while the start is under way, and while the service that came of it lives.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use pin_project_lite::pin_project;

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The wait for a token's cancellation, as the cell holds it.
///
/// Boxed, since the token's list of waiters points into it.
pub(crate) struct Tether(Pin<Box<Tied>>);

pin_project! {
    struct Tied {
        #[pin]
        wait: WaitForCancellationFutureOwned,
        token: CancellationToken,
        is_own: bool,
    }
}

impl Tether {
    /// To a token that others have, too.
    #[inline]
    pub(crate) fn to(token: CancellationToken) -> Self {
        Self::new(token, false)
    }

    /// To the attempt's own token, a child of the caller's: the body sees it, and it ends with the
    /// attempt.
    #[inline]
    pub(crate) fn to_own(token: CancellationToken) -> Self {
        Self::new(token, true)
    }

    #[inline]
    fn new(token: CancellationToken, is_own: bool) -> Self {
        let wait = token.clone().cancelled_owned();
        Self(Box::pin(Tied {
            wait,
            token,
            is_own,
        }))
    }

    /// Puts `hook` among the token's waiters. `false` if there is nothing to wait for any more.
    ///
    /// One poll both checks and registers, so that nothing falls between the two. There is never
    /// a second one: while `cancel()` is waking the others, it would take the hook out of the
    /// list, and `cancel()` would return without it.
    #[inline]
    #[must_use]
    pub(crate) fn register(&mut self, hook: &Waker) -> bool {
        let wait = self.0.as_mut().project().wait;
        wait.poll(&mut Context::from_waker(hook)).is_pending()
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.token.is_cancelled()
    }

    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.0.is_own.then_some(&self.0.token)
    }
}
