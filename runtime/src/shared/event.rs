//! The event of a transition, with the feature `tracing`.
//!
//! It is emitted after the compare-and-swap and outside of every lock, so what a subscriber reads from
//! the cell is true, and on the thread and in the span that made the transition.

use std::fmt;
use std::panic::Location;

use tracing::Level;

use super::state::{PartsLeft, Phase, Snapshot, Transition};
use crate::failure::Failure;
use crate::lifecycle::State;

const TARGET: &str = "cancel_guarded";
const UNNAMED: &str = "unnamed";

/// A transition, to be reported after unlock.
pub(crate) struct Event<S: State> {
    old: Snapshot<S>,
    new: Snapshot<S>,
    reports_failure: bool,
    cause: Option<Failure>,
    parts: PartsLeft,
    /// Where the part was made that has failed.
    failed_part: Option<&'static Location<'static>>,
}

impl<S: State> Event<S> {
    /// `None` if readers cannot see a change, and no failure is reported with it.
    #[inline]
    pub(crate) fn new(
        transition: &Transition<S>,
        parts: PartsLeft,
        reports_failure: bool,
        cause: impl FnOnce() -> (Option<Failure>, Option<&'static Location<'static>>),
    ) -> Option<Self> {
        let Transition { old, new } = *transition;
        if !reports_failure && !transition.is_seen() {
            return None;
        }
        let has_cause = new.phase() == Phase::Failed || new.has_failure();
        let (cause, failed_part) = if has_cause { cause() } else { (None, None) };
        Some(Self {
            old,
            new,
            reports_failure,
            cause,
            parts,
            failed_part,
        })
    }

    /// The change, in words. A failure may also be reported of a service that is stopping already.
    fn change(&self) -> String {
        let (from, to) = (self.old.state().name(), self.new.state().name());
        if self.old.phase() == self.new.phase() && from == to {
            format!("failed while {to}")
        } else {
            format!("{from} to {to}")
        }
    }

    fn level(&self) -> Level {
        match self.new.phase() {
            _ if self.reports_failure => Level::ERROR,
            Phase::Failed if self.new.is_cancelled() => Level::WARN,
            Phase::Starting => Level::DEBUG,
            _ => Level::INFO,
        }
    }

    #[inline]
    pub(crate) fn emit(&self, name: Option<&str>) {
        // The level of an event is part of its static metadata. The fields are evaluated only if a
        // subscriber, or the `log` crate, wants the event.
        macro_rules! emit {
            ($level:ident $(, $part:ident = $place:expr)?) => {
                tracing::event!(
                    target: TARGET,
                    Level::$level,
                    service = name.unwrap_or(UNNAMED),
                    from = self.old.state().name(),
                    to = self.new.state().name(),
                    cause = self.cause.as_ref().map(tracing::field::display),
                    parts = self.parts.serving + self.parts.tracked,
                    $($part = $place,)?
                    "{}: {}",
                    name.unwrap_or(UNNAMED),
                    self.change(),
                )
            };
        }
        match self.level() {
            Level::ERROR => {
                let place = self.failed_part.map(DisplayPlace);
                emit!(ERROR, part = place.as_ref().map(tracing::field::display));
            }
            Level::WARN => emit!(WARN),
            Level::DEBUG => emit!(DEBUG),
            _ => emit!(INFO),
        }
    }
}

/// The file and the line, as `Debug` of a cell shows them.
struct DisplayPlace(&'static Location<'static>);

impl fmt::Display for DisplayPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.file(), self.0.line())
    }
}
