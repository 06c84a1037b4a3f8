//! Why an attempt or a service ended without success.

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::panic::Location;
use std::sync::Arc;

/// Why an attempt, or the service that it became, ended in [`FAILED`](crate::State::FAILED): the
/// first cause. Later causes do not replace it.
///
/// `Display` shows the message of the cause, with the sources of an error. Clones are cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    told_to_end: bool,
    message: Message,
}

/// The text of a [`Failure`]. The fixed texts need no allocation.
#[derive(Clone, PartialEq, Eq)]
enum Message {
    Fixed(&'static str),
    Owned(Arc<str>),
}

/// The kinds of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The start was told to end before it had published: its token was cancelled, or
    /// [`request_stop`](crate::StateCell::request_stop) was called.
    Cancelled,
    /// The body or a served future returned an error, or [`fail`](crate::StateCell::fail) was
    /// called.
    Error,
    /// The body, a served future, or the owner of a [`ServeGuard`](crate::ServeGuard) panicked.
    Panicked,
    /// The start future, an [`Attempt`](crate::Attempt) or a served future was dropped before it had
    /// ended, or [`abort`](crate::StateCell::abort) dropped it.
    Dropped,
}

impl Failure {
    /// A failure of kind [`Error`](FailureKind::Error) with `message`, formatted with `{:#}`.
    ///
    /// The alternate form makes `anyhow::Error` and `eyre::Report` show their sources. For another
    /// error, use [`from_error`](Self::from_error).
    pub fn new(message: impl Display) -> Self {
        Self::with_message(FailureKind::Error, format!("{message:#}"))
    }

    /// A failure of kind [`Error`](FailureKind::Error) whose message is `error` and its sources,
    /// separated by `: `.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            // Writing into a `String` fails only if the error's own `Display` does.
            if write!(message, ": {error}").is_err() {
                break;
            }
            source = error.source();
        }
        Self::with_message(FailureKind::Error, message)
    }

    /// The kind of this failure.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether the attempt had been told to end, by its token or by a stop, when this failure was
    /// recorded.
    ///
    /// `true` for a start that was cancelled, and for a service that failed while it shut down.
    pub fn was_told_to_end(&self) -> bool {
        self.told_to_end
    }

    fn with_message(kind: FailureKind, message: String) -> Self {
        Self {
            kind,
            told_to_end: false,
            message: Message::Owned(message.into()),
        }
    }

    const fn fixed(kind: FailureKind, message: &'static str) -> Self {
        Self {
            kind,
            told_to_end: false,
            message: Message::Fixed(message),
        }
    }

    pub(crate) const fn cancelled() -> Self {
        let mut failure = Self::fixed(FailureKind::Cancelled, "cancelled before it was running");
        failure.told_to_end = true;
        failure
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        match message {
            Some(text) => Self::with_message(FailureKind::Panicked, format!("panicked: {text}")),
            None => Self::fixed(FailureKind::Panicked, "panicked"),
        }
    }

    pub(crate) const fn panicked_guard() -> Self {
        Self::fixed(
            FailureKind::Panicked,
            "a serve guard was dropped during a panic",
        )
    }

    pub(crate) const fn dropped_start() -> Self {
        Self::fixed(
            FailureKind::Dropped,
            "the start was dropped before it had ended (by a `select!`, a timeout or an abort around it)",
        )
    }

    pub(crate) const fn undriven() -> Self {
        Self::fixed(
            FailureKind::Dropped,
            "the attempt was dropped without being driven: await `attempt.start(..)` or `run(..)`, or \
             call `start_sync(..)`",
        )
    }

    /// The future that was served at `place` was dropped. `was_polled` says whether it was polled before.
    pub(crate) fn dropped_served(place: &Location<'_>, was_polled: bool) -> Self {
        let (file, line) = (place.file(), place.line());
        let dropped = if was_polled {
            "ended: its task was aborted, or the runtime was shut down"
        } else {
            "run: it was not spawned, or its task was aborted, or the runtime was shut down"
        };
        let message =
            format!("the future served at {file}:{line} was dropped before it had {dropped}");
        Self::with_message(FailureKind::Dropped, message)
    }

    pub(crate) const fn aborted() -> Self {
        let mut failure = Self::fixed(
            FailureKind::Dropped,
            "the service was aborted before it had ended",
        );
        failure.told_to_end = true;
        failure
    }

    /// This failure, recorded for an attempt that `was_told_to_end`.
    pub(crate) fn told_to_end(mut self, was_told_to_end: bool) -> Self {
        self.told_to_end |= was_told_to_end;
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.message {
            Message::Fixed(message) => message,
            Message::Owned(message) => message,
        })
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.to_string())
    }
}

impl Error for Failure {}
