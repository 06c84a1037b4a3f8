//! What ties an attempt to its token, for as long as the attempt lasts: a cancellation moves the
//! cell while the start is under way, and while the service that came of it lives.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use pin_project_lite::pin_project;

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The token that an attempt is guarded by.
#[derive(Debug)]
pub(crate) struct Guarding {
    pub(crate) token: CancellationToken,
    /// Whether it is the attempt's own, a child of the caller's: the body sees it, and it ends with
    /// the attempt.
    pub(crate) is_own: bool,
}

pin_project! {
    /// A token, and the wait for its cancellation, as the cell holds them.
    ///
    /// Pinned in a box: the token's list of waiters points into it.
    pub(crate) struct Tether {
        #[pin]
        wait: WaitForCancellationFutureOwned,
        by: Guarding,
    }
}

impl Tether {
    #[inline]
    pub(crate) fn new(by: Guarding) -> Pin<Box<Self>> {
        let wait = by.token.clone().cancelled_owned();
        Box::pin(Self { wait, by })
    }

    /// Puts `hook` among the token's waiters, unless that is cancelled already.
    ///
    /// One poll both checks and registers, so that nothing falls between the two.
    #[inline]
    #[must_use]
    pub(crate) fn register(self: Pin<&mut Self>, hook: &Waker) -> bool {
        let mut cx = Context::from_waker(hook);
        self.project().wait.poll(&mut cx).is_pending()
    }

    /// Whether the token is cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.by.token.is_cancelled()
    }

    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.by.is_own.then_some(&self.by.token)
    }
}
