//! Where a run interferes with the start.

use std::fmt;

/// The thing that one run does to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The start is dropped before its first poll.
    Unpolled,
    /// Nothing is done to the start until it has published.
    Uncancelled,
    /// The token is cancelled before the first poll.
    Entry,
    /// The token is cancelled after the poll that returned `Pending` for the n-th time.
    Waiting(usize),
    /// The token is cancelled when the start was woken after that, before the next poll.
    Woken(usize),
    /// The token is cancelled once the start has published.
    Running,
    /// A client plays before that.
    Client,
    /// The service value is dropped before that.
    OwnerDropped,
    /// The cell is told to stop once the start has published.
    Stopped,
    /// The start is dropped after the poll that returned `Pending` for the n-th time.
    Dropped(usize),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpolled => f.write_str("dropped before the first poll"),
            Self::Uncancelled => f.write_str("not cancelled"),
            Self::Entry => f.write_str("cancelled before the first poll"),
            Self::Waiting(at) => write!(f, "cancelled at suspension point {at}, while it waits"),
            Self::Woken(at) => {
                write!(f, "cancelled at suspension point {at}, before it goes on")
            }
            Self::Running => f.write_str("cancelled once running"),
            Self::Client => f.write_str("cancelled once running, after a client"),
            Self::OwnerDropped => f.write_str("service dropped while running"),
            Self::Stopped => f.write_str("stopped once running"),
            Self::Dropped(at) => write!(f, "dropped at suspension point {at}"),
        }
    }
}

/// The run in which something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) point: Point,
    /// The start is started again after a run to that point.
    pub(super) is_again: bool,
}

impl From<Point> for Place {
    fn from(point: Point) -> Self {
        Self {
            point,
            is_again: false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_again {
            write!(f, "started again, after it was {}", self.point)
        } else {
            write!(f, "{}", self.point)
        }
    }
}
