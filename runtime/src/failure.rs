//! Why an attempt or a service ended without success.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Why an attempt, or the service that came of it, ended in
/// [`FAILED`](crate::State::FAILED): the first cause, which later ones do not replace.
///
/// `Display` gives the cause's own message. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    /// What [`FailureKind`] does not say already.
    message: Option<Arc<str>>,
}

/// What sort of end a [`Failure`] was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The start was told to end before it had published: its token was cancelled, or
    /// [`request_stop`](crate::StateCell::request_stop) was called.
    Cancelled,
    /// The body or a served future returned an error, or [`fail`](crate::StateCell::fail) was
    /// called.
    Error,
    /// The body or a served future panicked.
    Panicked,
    /// The start future, or a served one, was dropped before it had ended.
    Dropped,
}

impl Failure {
    /// What sort of end this was.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(crate) fn cancelled() -> Self {
        Self {
            kind: FailureKind::Cancelled,
            message: None,
        }
    }

    pub(crate) fn error(message: impl Into<Arc<str>>) -> Self {
        Self {
            kind: FailureKind::Error,
            message: Some(message.into()),
        }
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self {
            kind: FailureKind::Panicked,
            message: message.map(|text| Arc::from(format!("panicked: {text}"))),
        }
    }

    /// The start future went away.
    pub(crate) fn dropped_start() -> Self {
        Self {
            kind: FailureKind::Dropped,
            message: None,
        }
    }

    /// A served future went away.
    pub(crate) fn dropped_served() -> Self {
        Self {
            kind: FailureKind::Dropped,
            message: Some(Arc::from("a served future was dropped before it had ended")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.message, self.kind) {
            (Some(message), _) => message,
            (None, FailureKind::Cancelled) => "cancelled before it was running",
            (None, FailureKind::Error) => "failed",
            (None, FailureKind::Panicked) => "panicked",
            (None, FailureKind::Dropped) => "the start was dropped before it had ended",
        })
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.to_string())
    }
}

impl std::error::Error for Failure {}
