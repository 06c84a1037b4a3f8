//! Events, with the feature `tracing`. Without it, these functions do nothing and cost nothing.
//!
//! An event is emitted after the compare-and-swap and outside of every lock, so what a subscriber
//! reads from the cell is true. It is emitted on the thread and in the span that made the transition.

#[cfg(feature = "tracing")]
pub(crate) use self::enabled::*;

#[cfg(feature = "tracing")]
mod enabled {
    use std::cell::Cell;
    use std::sync::Arc;

    use tracing::Level;

    use crate::failure::Failure;
    use crate::lifecycle::State;
    use crate::shared::{Handle, PartsLeft, Phase, Snapshot, Transition};
    use crate::unwind::ignore_panic;

    const TARGET: &str = "cancel_guarded";
    const UNNAMED: &str = "unnamed";

    /// A transition, to be reported after unlock.
    pub(crate) struct Event<S: State> {
        old: Snapshot<S>,
        new: Snapshot<S>,
        reports_failure: bool,
        cause: Option<Failure>,
        parts: PartsLeft,
    }

    impl<S: State> Event<S> {
        /// `None` if readers cannot see a change, and no failure is reported with it.
        #[inline]
        pub(crate) fn new(
            transition: &Transition<S>,
            parts: PartsLeft,
            reports_failure: bool,
            cause: impl FnOnce() -> Option<Failure>,
        ) -> Option<Self> {
            let Transition { old, new } = *transition;
            let is_seen = transition.changes_state() || old.phase() != new.phase();
            if !reports_failure && !is_seen {
                return None;
            }
            let has_cause = new.phase() == Phase::Failed || new.has_failure();
            Some(Self {
                old,
                new,
                reports_failure,
                cause: if has_cause { cause() } else { None },
                parts,
            })
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
                ($level:ident) => {
                    tracing::event!(
                        target: TARGET,
                        Level::$level,
                        service = name.unwrap_or(UNNAMED),
                        from = self.old.state().name(),
                        to = self.new.state().name(),
                        cause = self.cause.as_ref().map(tracing::field::display),
                        parts = self.parts.serving + self.parts.tracked,
                        "{}: {} to {}",
                        name.unwrap_or(UNNAMED),
                        self.old.state().name(),
                        self.new.state().name(),
                    )
                };
            }
            match self.level() {
                Level::ERROR => emit!(ERROR),
                Level::WARN => emit!(WARN),
                Level::DEBUG => emit!(DEBUG),
                _ => emit!(INFO),
            }
        }
    }

    thread_local! {
        /// The cell whose part this thread polls, by the address that its handles share.
        static POLLED_PART: Cell<usize> = const { Cell::new(0) };
    }

    fn address<S: State>(handle: &Handle<S>) -> usize {
        Arc::as_ptr(handle).addr()
    }

    /// Runs `poll`, which polls a part of the cell.
    pub(crate) fn in_part<S: State, T>(handle: &Handle<S>, poll: impl FnOnce() -> T) -> T {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                POLLED_PART.set(self.0);
            }
        }
        let _restore = Restore(POLLED_PART.replace(address(handle)));
        poll()
    }

    /// A part that waits for the end of its own attempt waits for ever.
    pub(crate) fn warn_if_in_part<S: State>(handle: &Handle<S>) {
        if POLLED_PART.get() == address(handle) {
            let name = handle.name().unwrap_or(UNNAMED);
            ignore_panic(|| {
                tracing::warn!(
                    target: TARGET,
                    service = name,
                    "{name}: a part of this service waits for the service to end, which waits \
                     for the part; call `request_stop()` there, and wait elsewhere"
                );
            });
        }
    }

    /// A future was given to a cell on which no start has begun.
    pub(crate) fn warn_no_attempt<S: State>(handle: &Handle<S>) {
        let name = handle.name().unwrap_or(UNNAMED);
        ignore_panic(|| {
            tracing::warn!(
                target: TARGET,
                service = name,
                "{name}: a future was dropped, because no start of this cell is under way; call \
                 `serve` in the body of a start that is guarded with `state = ..` for this very cell"
            );
        });
    }

    /// A tracked future failed, which does not fail the service.
    pub(crate) fn tracked_failed<S: State>(handle: &Handle<S>, failure: &Failure) {
        let name = handle.name().unwrap_or(UNNAMED);
        ignore_panic(|| {
            tracing::warn!(
                target: TARGET,
                service = name,
                cause = %failure,
                "{name}: a tracked future failed"
            );
        });
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) use self::disabled::*;

#[cfg(not(feature = "tracing"))]
mod disabled {
    use crate::failure::Failure;
    use crate::lifecycle::State;
    use crate::shared::Handle;

    pub(crate) fn in_part<S: State, T>(_: &Handle<S>, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    pub(crate) fn warn_no_attempt<S: State>(_: &Handle<S>) {}

    pub(crate) fn tracked_failed<S: State>(_: &Handle<S>, _: &Failure) {}
}
