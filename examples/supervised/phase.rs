//! The states of both services.

use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
pub(crate) enum Phase {
    #[state(initial)]
    Created,
    #[state(starting)]
    Loading,
    /// A step of the service's own. It has no role: the guard moves a cell neither into it nor out
    /// of it, but from it to `Serving` or `Failed`, as from `Loading`.
    Migrating,
    #[state(running)]
    Serving,
    #[state(stopping)]
    Draining,
    #[state(stopped)]
    Stopped,
    #[state(failed)]
    Failed,
}
