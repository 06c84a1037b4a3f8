//! What the calls of this crate answer when they say no.

use std::fmt;

use crate::failure::Failure;

/// Why a start was refused.
///
/// A guarded function returns it through [`Refusable`](crate::Refusable) or `on_refused`. For
/// the usual error enum that is one variant:
///
/// ```
/// # use cancel_guarded::StartError;
/// #[derive(Debug)]
/// enum ServerError {
///     Refused(StartError),
///     Io(std::io::Error),
/// }
///
/// impl From<StartError> for ServerError {
///     fn from(refused: StartError) -> Self {
///         Self::Refused(refused)
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The token was cancelled, or a stop requested, before the start had published.
    Cancelled,
    /// The cell was not in a state from which this start may begin. Nothing was touched.
    NotStartable {
        /// The name of the state it was in.
        state: &'static str,
    },
    /// [`fail`](crate::StateCell::fail) was called, or a served future was lost, before the
    /// start had published. [`failure`](crate::StateCell::failure) tells the cause.
    Failed,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("start refused: cancelled before it was running"),
            Self::NotStartable { state } => {
                write!(f, "start refused: cannot start from state {state}")
            }
            Self::Failed => f.write_str("start refused: the service failed while it started"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StartError> for std::io::Error {
    /// A refusal is no matter of input or output: its kind is [`Other`](std::io::ErrorKind::Other).
    fn from(error: StartError) -> Self {
        Self::other(error)
    }
}

/// The attempt that [`running`](crate::StateCell::running) waited for ended without ever
/// having been running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRunning {
    failure: Failure,
}

impl NotRunning {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { failure }
    }

    /// Why the attempt ended.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service never ran: {}", self.failure)
    }
}

impl std::error::Error for NotRunning {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.failure)
    }
}

/// A [`transition`](crate::StateCell::transition) that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionError<S> {
    from: S,
    to: S,
    actual: S,
}

impl<S: crate::State> TransitionError<S> {
    pub(crate) fn new(from: S, to: S, actual: S) -> Self {
        Self { from, to, actual }
    }

    /// The state that the caller expected the cell to be in.
    pub fn from(&self) -> S {
        self.from
    }

    /// The state that the caller asked for.
    pub fn to(&self) -> S {
        self.to
    }

    /// The state that the cell was in, and still is as far as this call is concerned.
    pub fn actual(&self) -> S {
        self.actual
    }
}

impl<S: crate::State> fmt::Display for TransitionError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, actual) = (self.from.name(), self.to.name(), self.actual.name());
        if self.from == self.actual {
            write!(
                f,
                "the transition from {from} to {to} is not the caller's to make"
            )
        } else {
            write!(
                f,
                "no transition from {from} to {to}: the state is {actual}"
            )
        }
    }
}

impl<S: crate::State> std::error::Error for TransitionError<S> {}
