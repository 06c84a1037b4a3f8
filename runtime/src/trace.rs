//! One event for each transition, behind the feature `tracing`. Without it, none of this exists.
//!
//! The events are emitted after the compare-and-swap and outside of every lock, so that what a
//! subscriber reads from the cell is true, and on the thread and in the span of whoever made the
//! transition.

use tracing::Level;

use crate::failure::{Failure, FailureKind};
use crate::state::State;
use crate::word::{Change, Phase};

/// A transition, to be told when the lock is released.
#[derive(Debug)]
pub(crate) struct Event {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    level: Level,
    cause: Option<Failure>,
}

impl Event {
    /// `None` if nobody can see that anything has changed, or nobody listens.
    pub(crate) fn of<S: State>(
        name: Option<&'static str>,
        change: &Change<S>,
        cause: impl FnOnce() -> Option<Failure>,
    ) -> Option<Self> {
        let Change { old, new } = change;
        if old.phase() == new.phase() && old.state() == new.state() {
            return None;
        }
        let has_ended = new.is_at_rest();
        let cause = cause().filter(|_| has_ended || new.is_failing());
        let level = match (new.phase(), &cause) {
            (Phase::Failed, Some(cause)) if cause.kind() == FailureKind::Cancelled => Level::WARN,
            (_, Some(_)) | (Phase::Failed, None) => Level::ERROR,
            (Phase::Starting, None) => Level::DEBUG,
            (_, None) => Level::INFO,
        };
        Some(Self {
            name: name.unwrap_or("unnamed"),
            from: old.state().name(),
            to: new.state().name(),
            level,
            cause,
        })
    }

    pub(crate) fn emit(self) {
        let Self {
            name,
            from,
            to,
            level,
            cause,
        } = self;
        let cause = cause.as_ref().map(tracing::field::display);
        // The level of an event is a part of its static metadata.
        macro_rules! emit {
            ($level:ident) => {
                tracing::event!(
                    target: "cancel_guarded",
                    Level::$level,
                    service = name,
                    from,
                    to,
                    cause,
                    "{name}: {from} to {to}"
                )
            };
        }
        match level {
            Level::ERROR => emit!(ERROR),
            Level::WARN => emit!(WARN),
            Level::DEBUG => emit!(DEBUG),
            _ => emit!(INFO),
        }
    }
}
