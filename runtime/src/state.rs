//! The states a service can be in: the trait, and the default enum.

use std::fmt::Debug;

/// The states of a service, and the role that each of them plays.
///
/// Derive it ([`macro@crate::State`]) for a plain enum; [`Lifecycle`] is the one to take when
/// the service has no steps of its own. Six *roles* are what the guard knows and moves through.
/// One variant may play several roles (it is the role that counts then, not the variant, so give
/// `RUNNING` one of its own if *running* is to be told by its state); variants without a role are the service's own steps
/// (`Migrating`, `Draining`), which it moves through itself.
///
/// The default roles come from Guava's
/// [`Service.State`](https://guava.dev/releases/snapshot/api/docs/com/google/common/util/concurrent/Service.State.html).
///
/// # Implementing it by hand
///
/// `VARIANTS` lists every value once (at most 256), the six roles are among them, and `index` is
/// the position of a value in that list. `index` and `name` are asked while the cell is locked: they
/// must neither panic nor touch a cell.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a set of service states",
    label = "not a `State`",
    note = "write `#[derive(cancel_guarded::State)]` on it, and `#[state(initial)]`, `starting`, `running`, `stopping`, `stopped` and `failed` on the variants that are; or use `cancel_guarded::Lifecycle`"
)]
pub trait State: Copy + Eq + Debug + Send + Sync + 'static {
    /// Nothing has begun; a start may.
    const INITIAL: Self;
    /// A start is under way.
    const STARTING: Self;
    /// The service is up. Reading this is what *published* means.
    const RUNNING: Self;
    /// The service was told to stop, and is not done yet.
    const STOPPING: Self;
    /// The service has ended as it should.
    const STOPPED: Self;
    /// The start or the service failed, and nothing of it is left.
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
