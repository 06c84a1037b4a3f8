//! The errors of this crate's calls.

use std::error::Error;
use std::fmt;

use crate::failure::Failure;
use crate::lifecycle::State;

/// Why a start was refused.
///
/// A guarded function returns it through [`FromStartError`](crate::FromStartError) or
/// `on_refused`. In an error enum, that is one variant:
///
/// ```
/// use cancel_guarded::StartError;
///
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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The token was cancelled, or a stop requested, before the start had published.
    Cancelled,
    /// The cell was not in a state from which this start may begin. The cell is unchanged.
    NotStartable {
        /// The name of the state that the cell was in.
        state: &'static str,
    },
    /// The cell was told to stop, and [`rearm`](crate::StateCell::rearm) has not been called since.
    /// The cell is unchanged.
    StopRequested,
    /// [`fail`](crate::StateCell::fail) was called, or a part was lost, before the start had
    /// published; or a `run` was [aborted](crate::StateCell::abort).
    Failed(Failure),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str(
                "start refused: cancelled before it was running (its token was cancelled, or the service \
                 was told to stop)",
            ),
            Self::NotStartable { state } => {
                write!(
                    f,
                    "start refused: cannot start from state {state}: it was started before and has not \
                     ended, or it has ended and the start has no `restart`"
                )
            }
            Self::StopRequested => {
                f.write_str("start refused: the service was told to stop, and not rearmed since")
            }
            Self::Failed(failure) => write!(f, "start refused: {failure}"),
        }
    }
}

impl Error for StartError {}

impl From<StartError> for std::io::Error {
    /// The kind is [`Other`](std::io::ErrorKind::Other).
    fn from(error: StartError) -> Self {
        Self::other(error)
    }
}

/// The service that [`running`](crate::StateCell::running) waited for is not running, and the
/// attempt that was awaited never published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRunning {
    failure: Option<Failure>,
}

impl NotRunning {
    pub(crate) fn new(failure: Option<Failure>) -> Self {
        Self { failure }
    }

    /// Why the attempt failed. `None` if it was stopped without a failure, or if the cause is not
    /// known yet.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            Some(failure) => write!(f, "the service is not running: {failure}"),
            None => f.write_str("the service is not running: it was stopped"),
        }
    }
}

impl Error for NotRunning {}

/// A [`transition`](crate::StateCell::transition) that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitionError<S> {
    from: S,
    to: S,
    actual: S,
}

impl<S: State> TransitionError<S> {
    pub(crate) fn new(from: S, to: S, actual: S) -> Self {
        Self { from, to, actual }
    }

    /// The state that the caller expected.
    pub fn from(&self) -> S {
        self.from
    }

    /// The state that the caller asked for.
    pub fn to(&self) -> S {
        self.to
    }

    /// The state that the cell was in.
    pub fn actual(&self) -> S {
        self.actual
    }
}

impl<S: State> fmt::Display for TransitionError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to, actual) = (self.from.name(), self.to.name(), self.actual.name());
        if self.from == self.actual {
            write!(f, "only the guard makes the transition from {from} to {to}")
        } else {
            write!(
                f,
                "no transition from {from} to {to}: the state is {actual}"
            )
        }
    }
}

impl<S: State> Error for TransitionError<S> {}
