//! Warnings of mistakes and of failed clients, with the feature `tracing`. Without it, these functions
//! do nothing and cost nothing.

#[cfg(feature = "tracing")]
pub(crate) use self::enabled::*;

#[cfg(feature = "tracing")]
mod enabled {
    use std::cell::Cell;
    use std::sync::Arc;

    use crate::failure::Failure;
    use crate::lifecycle::State;
    use crate::shared::{Handle, PartKind};
    use crate::unwind::ignore_panic;

    const TARGET: &str = "cancel_guarded";
    const UNNAMED: &str = "unnamed";

    thread_local! {
        /// The cell whose part this thread polls, by the address that its handles share.
        static POLLED_PART: Cell<usize> = const { Cell::new(0) };
    }

    fn address<S: State>(handle: &Handle<S>) -> usize {
        Arc::as_ptr(handle).addr()
    }

    /// Runs `poll`, which polls a part of the cell.
    #[inline]
    pub(crate) fn in_part<S: State, T>(handle: &Handle<S>, poll: impl FnOnce() -> T) -> T {
        struct Restore(usize);
        impl Drop for Restore {
            #[inline]
            fn drop(&mut self) {
                POLLED_PART.set(self.0);
            }
        }
        let _restore = Restore(POLLED_PART.replace(address(handle)));
        poll()
    }

    fn is_in_part<S: State>(handle: &Handle<S>) -> bool {
        POLLED_PART.get() == address(handle)
    }

    /// A served future that is awaited in the body of its start waits for ever.
    pub(crate) fn warn_if_awaited_in_start<S: State>(handle: &Handle<S>) {
        let word = handle.load();
        if is_in_part(handle) && !word.is_run() && !word.is_told_to_end() {
            let name = handle.name().unwrap_or(UNNAMED);
            ignore_panic(|| {
                tracing::warn!(
                    target: TARGET,
                    service = name,
                    "{name}: the body of a start waits for a future that it serves, which runs only \
                     once the start has returned; spawn it, and return"
                );
            });
        }
    }

    /// A part that waits for the end of its own attempt waits for ever.
    pub(crate) fn warn_if_in_part<S: State>(handle: &Handle<S>) {
        // A start that has to end is interrupted where it waits.
        if is_in_part(handle) && !handle.load().should_interrupt() {
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

    /// A part was given to a cell on which no start has begun.
    pub(crate) fn warn_no_attempt<S: State>(handle: &Handle<S>, kind: PartKind) {
        let name = handle.name().unwrap_or(UNNAMED);
        let (mistake, call) = match kind {
            PartKind::Guard => ("a guard is no part of the service", "serve_guard"),
            _ => ("a future was dropped", "serve"),
        };
        ignore_panic(|| {
            tracing::warn!(
                target: TARGET,
                service = name,
                "{name}: {mistake}, because no start of this cell is under way; call `{call}` in the \
                 body of a start that is guarded with `state = ..` for this very cell"
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
    use crate::shared::{Handle, PartKind};

    pub(crate) fn in_part<S: State, T>(_: &Handle<S>, poll: impl FnOnce() -> T) -> T {
        poll()
    }

    pub(crate) fn warn_no_attempt<S: State>(_: &Handle<S>, _: PartKind) {}

    pub(crate) fn warn_if_awaited_in_start<S: State>(_: &Handle<S>) {}

    pub(crate) fn tracked_failed<S: State>(_: &Handle<S>, _: &Failure) {}
}
