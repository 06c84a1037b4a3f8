//! A part of a service that is not a future: a thread, or a foreign server.

use std::fmt;
use std::future::Future;

use crate::error::NotRunning;
use crate::failure::Failure;
use crate::lifecycle::{Lifecycle, State};
use crate::shared::{Handle, Part, PartFailure, PartKind, Phase};
use crate::sync::CancellationToken;
use crate::trace;
use crate::wait::WaitUntilRunning;

/// A part of a service until it is dropped: for a thread, or for a server that is no future of
/// yours. Made by [`StateCell::serve_guard`](crate::StateCell::serve_guard).
///
/// While it lives, the service does not end. Dropped without a panic, it has ended like a served
/// future; dropped during a panic, it fails the service.
#[must_use = "the service is over when its last guard is dropped"]
pub struct ServeGuard<S: State = Lifecycle> {
    handle: Handle<S>,
    part: Option<Part>,
}

impl<S: State> ServeGuard<S> {
    #[track_caller]
    pub(crate) fn new(handle: &Handle<S>) -> Self {
        let joined = handle.join(PartKind::Guard, None);
        if let Err((word, _)) = &joined {
            if word.phase() == Phase::Initial {
                trace::warn_no_attempt(handle, PartKind::Guard);
            }
        }
        Self {
            handle: handle.clone(),
            part: joined.ok(),
        }
    }

    /// The own token of this guard's attempt, which is cancelled when the attempt is told to end.
    ///
    /// If the guard was made without an attempt under way, the token is already cancelled.
    pub fn token(&self) -> CancellationToken {
        let token = self
            .part
            .and_then(|part| self.handle.own_token(Some(part.attempt())));
        token.unwrap_or_else(|| {
            let cancelled = CancellationToken::new();
            cancelled.cancel();
            cancelled
        })
    }

    /// Waits until the start has published.
    ///
    /// # Errors
    ///
    /// [`NotRunning`] as soon as the attempt is told to end before it has published, or at once if
    /// the guard was made without an attempt under way.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future only ends the wait.
    pub fn published(
        &self,
    ) -> impl Future<Output = Result<(), NotRunning>> + Send + 'static + use<S> {
        match self.part {
            Some(part) => WaitUntilRunning::for_part(&self.handle, part.attempt()),
            None => WaitUntilRunning::never(),
        }
    }
}

impl<S: State> Drop for ServeGuard<S> {
    fn drop(&mut self) {
        let Some(part) = self.part.take() else {
            return;
        };
        if std::thread::panicking() {
            let failure = PartFailure::Failed(Failure::panicked_guard());
            self.handle.fail_part(part, failure);
        }
        self.handle.release_part(part);
    }
}

impl<S: State> fmt::Debug for ServeGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeGuard")
            .field("service", &self.handle.name())
            .field("is_part", &self.part.is_some())
            .finish()
    }
}
