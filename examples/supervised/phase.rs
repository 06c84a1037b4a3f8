//! The states of both services.

use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
pub(crate) enum Phase {
    #[state(initial)]
    Created,
    #[state(starting)]
    Loading,
    /// A step of the service's own, without a role. The body stores it, and the guard treats it as
    /// it treats `Loading`.
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
