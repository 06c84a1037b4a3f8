//! What ties an attempt to its token, for as long as the attempt lasts: a cancellation moves the
//! cell while the start is under way, and while the service that came of it lives.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use pin_project_lite::pin_project;

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The token that an attempt is guarded by.
#[derive(Debug)]
pub(crate) enum Guarding {
    /// The caller's.
    Callers(CancellationToken),
    /// A child of it, the attempt's own: the body sees it, and it ends with the attempt.
    Own(CancellationToken),
}

pin_project! {
    /// The wait for a token's cancellation, as the cell holds it.
    ///
    /// Pinned in a box: the token's list of waiters points into it.
    pub(crate) struct Tether {
        #[pin]
        wait: WaitForCancellationFutureOwned,
        own: Option<CancellationToken>,
    }
}

impl Tether {
    pub(crate) fn new(token: Guarding) -> Pin<Box<Self>> {
        let (wait, own) = match token {
            Guarding::Callers(token) => (token.cancelled_owned(), None),
            Guarding::Own(token) => (token.clone().cancelled_owned(), Some(token)),
        };
        Box::pin(Self { wait, own })
    }

    /// Whether the token is cancelled. If it is not, `hook` is among its waiters from here on.
    ///
    /// One poll does both, so that nothing falls between the two.
    pub(crate) fn is_cancelled(self: Pin<&mut Self>, hook: &Waker) -> bool {
        let mut cx = Context::from_waker(hook);
        self.project().wait.poll(&mut cx).is_ready()
    }

    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.own.as_ref()
    }
}

impl fmt::Debug for Tether {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tether").finish_non_exhaustive()
    }
}
