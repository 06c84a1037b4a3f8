//! What the walk reports: the waits, the tasks and the parts of a body.

use proc_macro2::{Ident, TokenStream};

use super::parts::ServedOn;

/// A place where the body waits for its own cancellation.
#[derive(Clone, Debug)]
pub(crate) struct OwnWait {
    pub(crate) at: TokenStream,
    pub(crate) in_loop: bool,
    /// It is the future of a branch of a `select!`.
    pub(crate) in_arm: bool,
    /// It goes into a call that is awaited: `with_graceful_shutdown(token.cancelled_owned())`.
    pub(crate) in_call: bool,
    /// How many tasks the body has spawned before it.
    pub(crate) tasks_before: usize,
}

/// A task that the body spawns.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) at: TokenStream,
    pub(crate) in_loop: bool,
    /// It is a closure on a thread of its own, not a future.
    pub(crate) is_blocking: bool,
    pub(crate) is_served: bool,
    /// The cell that it is served on, if that is another than the guard's.
    pub(crate) served_on: Option<ServedOn>,
    /// A part that its text names, and does not move into it: `_ = guard`, and the name.
    pub(crate) unmoved: Option<(TokenStream, String)>,
    /// All that it awaits is the cancellation of the token.
    pub(crate) only_waits: bool,
    /// Its handle is dropped unused.
    pub(crate) is_let_go: bool,
    /// It, or a statement around it, has `#[detached]`.
    pub(crate) is_detached: bool,
    /// The task whose text this one is part of.
    pub(crate) parent: Option<usize>,
}

/// A call of `serve`, `serve_local` or `serve_guard` of the cell.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The name of the method.
    pub(crate) at: Ident,
    /// If it is called when a spawned task runs: the call that spawns the task.
    pub(crate) late: Option<LatePart>,
    /// A part of the service runs it, or a task under `#[detached]`.
    pub(super) is_allowed: bool,
}

/// An await of a part in the body's own text.
#[derive(Clone, Debug)]
pub(crate) struct PartWait {
    pub(crate) at: TokenStream,
    /// It awaits the task that runs the part.
    pub(crate) is_join: bool,
}

/// The spawn of a task that makes a part too late.
#[derive(Clone, Debug)]
pub(crate) struct LatePart {
    /// The function that spawns, as the user spells it.
    pub(crate) spawn: TokenStream,
    /// It spawns a closure on a thread of its own.
    pub(crate) is_blocking: bool,
}

impl Part {
    pub(crate) fn is_late(&self) -> bool {
        self.late.is_some() && !self.is_allowed
    }
}
