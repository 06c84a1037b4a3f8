// Of two definitions of a link the first one counts: where the README links to files of the
// repository, its readers here come to the guides.
#![cfg_attr(not(cancel_guarded_loom), doc = include_str!("../docs/front-page-links.md"))]
#![cfg_attr(not(cancel_guarded_loom), doc = include_str!("../README.md"))]
#![cfg_attr(cancel_guarded_loom, doc = "As loom sees it.")]
// Hosted docs say which feature an item needs. They are built with nightly, and nothing else is.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(cancel_guarded_loom))))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod attempt;
mod book;
mod cell;
mod error;
mod failure;
mod guarded;
// Prose only: no compilation but that of the docs has to read it.
#[cfg(any(doc, doctest))]
pub mod guide;
mod held;
mod hook;
#[cfg(any(test, cancel_guarded_loom))]
mod model_token;
mod outcome;
mod panics;
mod serve;
mod state;
mod sync;
#[cfg(all(feature = "testing", not(cancel_guarded_loom)))]
pub mod testing;
mod tether;
mod token;
#[cfg(feature = "tracing")]
mod trace;
mod wait;
mod word;

pub use cancel_guarded_macros::{State, cancel_guarded};
#[cfg(not(cancel_guarded_loom))]
pub use tokio_util::sync::CancellationToken;

#[cfg(cancel_guarded_loom)]
pub use crate::model_token::CancellationToken;

pub use crate::cell::StateCell;
pub use crate::error::{NotRunning, StartError, TransitionError};
pub use crate::failure::{Failure, FailureKind};
pub use crate::outcome::{Outcome, Refusable, ServedOutcome};
pub use crate::serve::Served;
pub use crate::state::{Lifecycle, State};
pub use crate::token::AsToken;

/// What the macro's output calls. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::attempt::{
        AsCell, Attempt, Checkpoint, Shield, Watch, attempt, cell, checkpoint, unpublished, watch,
    };
    pub use crate::guarded::{Answering, Guarded, Start};
    pub use crate::token::TokenParameter;

    /// Implemented by nothing, so that [`StateCell::store`](crate::StateCell::store) compiles
    /// nowhere: in a guarded body the macro writes something else in its place.
    #[diagnostic::on_unimplemented(
        message = "`store` is only for the body of a guarded start",
        label = "the guard does not see this",
        note = "in the body of a `#[cancel_guarded(state = ..)]` function, spell the cell as `state = ..` does, and move the `store` out of the input of macros like `select!`",
        note = "anywhere else, write `transition(from, to)`, which says what it expects to find"
    )]
    pub trait StoredByGuardedStart {}
}
