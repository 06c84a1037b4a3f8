//! The states of a service: the trait, and the default enum.

use std::fmt::Debug;

/// The traits that every [`State`] has. Each type that has them implements this one.
///
/// As they are one bound, rustc reports one error, whatever is missing.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a state is `Copy`, `Eq` and `Debug`; write `#[derive(Clone, Copy, Debug, PartialEq, Eq)]` on `{Self}`",
    label = "cannot be a `State` without them"
)]
pub trait StateValue: Copy + Eq + Debug + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Copy + Eq + Debug + Send + Sync + 'static> StateValue for T {}

/// Is never implemented.
#[doc(hidden)]
pub trait Never<'a> {}

// Never applies. If there were only the impl above, rustc would not look for another one, and would
// report each of its bounds that does not hold. With two impls of which none applies, it reports that
// `StateValue` is not implemented.
#[diagnostic::do_not_recommend]
impl<T: StateValue> StateValue for T where for<'a> (): Never<'a> {}

/// The states of a service, and the role that each of them plays. A state is `Copy`, `Eq`, `Debug`,
/// `Send`, `Sync` and `'static`.
///
/// Derive it ([`macro@crate::State`]) for a plain enum, or use [`Lifecycle`] if the service has no
/// steps of its own. The guard moves a cell through six *roles*. A variant may play several of them,
/// except that the variant of `RUNNING` plays no other. A variant without a role is a step of the
/// service's own (`Migrating`, `Draining`), and the service moves through it itself.
///
/// The default roles come from Guava's
/// [`Service.State`](https://guava.dev/releases/snapshot/api/docs/com/google/common/util/concurrent/Service.State.html).
///
/// # Implementing it by hand
///
/// `VARIANTS` lists every value once (at most 256), the six roles are among them, and `index` is
/// the position of a value in that list. `index` and `name` are called while the cell is locked:
/// they must not panic, and must not use a cell.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of service states",
    label = "not a `State`",
    note = "write `#[derive(cancel_guarded::State)]` on it, and `#[state(initial)]`, `starting`, `running`, `stopping`, `stopped` and `failed` on the variants that are; or use `cancel_guarded::Lifecycle`"
)]
pub trait State: StateValue {
    /// No start has begun.
    const INITIAL: Self;
    /// A start is under way.
    const STARTING: Self;
    /// The service is up. Reading this is what *published* means.
    const RUNNING: Self;
    /// The service was told to stop, and some of its parts are left.
    const STOPPING: Self;
    /// The service has ended without a failure, and none of its parts is left.
    const STOPPED: Self;
    /// The start or the service failed, and none of its parts is left.
    const FAILED: Self;

    /// Every state, once.
    const VARIANTS: &'static [Self];

    /// The position of this state in [`VARIANTS`](Self::VARIANTS).
    fn index(self) -> u8;

    /// The name of this state, as errors and logs show it.
    fn name(self) -> &'static str;
}

/// The default states: one for each role, and no steps of the service's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lifecycle {
    /// [`State::INITIAL`]
    Created,
    /// [`State::STARTING`]
    Starting,
    /// [`State::RUNNING`]
    Running,
    /// [`State::STOPPING`]
    Stopping,
    /// [`State::STOPPED`]
    Stopped,
    /// [`State::FAILED`]
    Failed,
}

#[diagnostic::do_not_recommend]
impl State for Lifecycle {
    const INITIAL: Self = Self::Created;
    const STARTING: Self = Self::Starting;
    const RUNNING: Self = Self::Running;
    const STOPPING: Self = Self::Stopping;
    const STOPPED: Self = Self::Stopped;
    const FAILED: Self = Self::Failed;

    const VARIANTS: &'static [Self] = &[
        Self::Created,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
    ];

    fn index(self) -> u8 {
        self as u8
    }

    fn name(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
        }
    }
}
