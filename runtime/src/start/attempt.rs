//! A start without the attribute: enters at once, and is driven later.

use std::fmt;
use std::future::Future;

use super::body::Start;
use super::future::StartFuture;
use super::options::{Mode, on_refused_default};
use super::teardown::drive_entered_sync;
use crate::error::StartError;
use crate::failure::Failure;
use crate::lifecycle::{Lifecycle, State};
use crate::outcome::FromStartError;
use crate::publisher::Publisher;
use crate::shared::{BodyEnd, Handle, StartFrom};
use crate::sync::CancellationToken;
use crate::token::{AsToken, GuardToken};
use crate::unwind::CaughtPanic;

/// A start that has won its cell, made by [`StateCell::begin`](crate::StateCell::begin): for
/// constructors, builders and sync callers, which enter now and drive the body later.
///
/// Drive it with [`start`](Self::start), [`run`](Self::run) or [`start_sync`](Self::start_sync).
/// Dropped without that, it refuses the start: the cell reads `FAILED`, as
/// [`Dropped`](crate::FailureKind::Dropped) or `Cancelled`.
///
/// **An attempt that is neither driven nor dropped is a part of the service**: `stop()` waits for
/// it.
///
/// ```
/// use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StartError> {
/// let state = StateCell::<Lifecycle>::named("mailer");
/// let shutdown = CancellationToken::new();
///
/// let attempt = state.begin(&shutdown)?;
/// let port = attempt
///     .start(async |_token| {
///         tokio::task::yield_now().await;
///         Ok::<u16, StartError>(2525)
///     })
///     .await?;
/// assert_eq!(port, 2525);
/// assert!(state.is_running());
/// # Ok(())
/// # }
/// ```
#[must_use = "an attempt that is dropped without being driven refuses the start: await `start(..)` or `run(..)`, or call `start_sync(..)`"]
pub struct Attempt<S: State = Lifecycle> {
    start: Start<S>,
    is_driven: bool,
}

impl<S: State> Attempt<S> {
    /// Enters the cell.
    pub(crate) fn begin<T: AsToken + ?Sized>(
        handle: &Handle<S>,
        token: &T,
        from: StartFrom,
    ) -> Result<Self, StartError> {
        let start = Start::new(handle.clone(), 0);
        let mut token = GuardToken::shared(token);
        match start.enter(&mut token, from, Mode::Start) {
            Ok(()) => Ok(Self {
                start,
                is_driven: false,
            }),
            Err(error) => Err(start.reject_entry(error, from)),
        }
    }

    /// The attempt's own token, which is cancelled when the attempt is told to end.
    pub fn token(&self) -> CancellationToken {
        let own = self.start.handle.own_token(Some(self.start.attempt()));
        // An attempt lasts until this is driven or dropped.
        own.unwrap_or_default()
    }

    /// Drives `body`, which returns when the service is up. It sees the attempt's own token.
    ///
    /// The body is dropped where it waits when the attempt is told to end. If it succeeds, the start
    /// is published. The returned future is `Send` if the body's is.
    ///
    /// # Errors
    ///
    /// The body's own, or what the return type makes of a [`StartError`].
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future refuses the start.
    pub fn start<R, B>(self, body: B) -> impl Future<Output = R>
    where
        R: FromStartError,
        B: AsyncFnOnce(CancellationToken) -> R,
    {
        let token = self.token();
        // Dropped unpolled, a future drops its captures: the body's go before the attempt.
        let unpolled = (body, self);
        async move {
            let (body, mut attempt) = unpolled;
            attempt.is_driven = true;
            let body = async move { body(token).await };
            let on_refused = on_refused_default();
            StartFuture::entered(&attempt.start, Mode::Start, on_refused, body).await
        }
    }

    /// Drives `body`, which returns when the service is over, and publishes it by its
    /// [`Publisher`]. It sees the attempt's own token.
    ///
    /// Once it is published, only [`abort`](crate::StateCell::abort) interrupts the body. It returns
    /// its own value if it runs to its end. The returned future is `Send` if the body's is.
    ///
    /// # Errors
    ///
    /// The body's own, or what the return type makes of a [`StartError`].
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future fails the service.
    pub fn run<R, B>(self, body: B) -> impl Future<Output = R>
    where
        R: FromStartError,
        B: AsyncFnOnce(CancellationToken, Publisher<S>) -> R,
    {
        let token = self.token();
        let publisher = Publisher::new(&self.start.handle);
        // As in `start`.
        let unpolled = (body, self);
        async move {
            let (body, mut attempt) = unpolled;
            attempt.is_driven = true;
            let body = async move { body(token, publisher).await };
            let on_refused = on_refused_default();
            StartFuture::entered(&attempt.start, Mode::Run, on_refused, body).await
        }
    }

    /// Calls `body`, which returns when the service is up. It sees the attempt's own token. If it
    /// succeeds, the start is published.
    ///
    /// # Errors
    ///
    /// The body's own, or what the return type makes of a [`StartError`].
    pub fn start_sync<R, B>(mut self, body: B) -> R
    where
        R: FromStartError,
        B: FnOnce(CancellationToken) -> R,
    {
        let token = self.token();
        self.is_driven = true;
        let on_refused = on_refused_default();
        drive_entered_sync(&self.start, Mode::Start, on_refused, || body(token))
    }
}

impl<S: State> Drop for Attempt<S> {
    fn drop(&mut self) {
        if !self.is_driven {
            let mut panics = CaughtPanic::default();
            let end = BodyEnd::Dropped(Failure::undriven());
            self.start
                .handle
                .release_body(self.start.attempt(), end, &mut panics);
            panics.resume();
        }
    }
}

impl<S: State> fmt::Debug for Attempt<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}
