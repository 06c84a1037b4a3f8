// Of two definitions of a link, the first one counts. The README links to the files of the
// repository; here, these links lead to the guides.
#![doc = include_str!("../docs/links.md")]
// The tests of `examples/quickstart` run its code.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
// Hosted docs say which feature an item needs. Only they are built with nightly.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod as_cell;
mod cell;
mod error;
mod failure;
mod guard;
// Prose: only docs builds read it.
#[cfg(any(doc, doctest))]
pub mod guide;
mod lifecycle;
#[cfg(test)]
mod model_token;
#[cfg(all(test, cancel_guarded_loom))]
mod models;
mod outcome;
mod publisher;
mod serve;
mod shared;
mod start;
mod sync;
#[cfg(all(feature = "testing", not(all(test, cancel_guarded_loom))))]
pub mod testing;
mod token;
mod trace;
mod unwind;
mod wait;

pub use cancel_guarded_macros::{State, cancel_guarded};

#[cfg(all(test, cancel_guarded_loom))]
pub use crate::model_token::CancellationToken;
#[cfg(not(all(test, cancel_guarded_loom)))]
pub use tokio_util::sync::CancellationToken;

pub use crate::cell::StateCell;
pub use crate::error::{NotRunning, StartError, TransitionError};
pub use crate::failure::{Failure, FailureKind};
pub use crate::guard::ServeGuard;
pub use crate::lifecycle::{Lifecycle, State};
pub use crate::outcome::{FromStartError, Outcome, ServedOutcome};
pub use crate::publisher::Publisher;
pub use crate::serve::Served;
pub use crate::start::attempt::Attempt;
pub use crate::token::AsToken;

/// What the macro's output calls. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::as_cell::AsCell;
    pub use crate::cell::StoredByGuardedStart;
    pub use crate::lifecycle::StateValue;
    pub use crate::outcome::RefusalError;
    pub use crate::start::body::{
        Checked, Checkpoint, RaiseShield, ShieldGuard, Start, checked, checkpoint, shield, start,
        stateless,
    };
    pub use crate::start::future::StartFuture;
    pub use crate::start::options::{OnRefused, StartOptions, on_refused, on_refused_default};
    pub use crate::token::TokenParameter;
}
