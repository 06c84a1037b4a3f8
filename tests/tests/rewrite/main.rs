//! The effects of the rewritten body: where a cancelled start ends, shields, stores, and the token
//! that the body sees.

// The bodies are unusual, in order to have an await in every place.
#![allow(
    clippy::match_bool,
    clippy::match_single_binding,
    clippy::manual_async_fn,
    clippy::never_loop,
    clippy::ref_option,
    clippy::redundant_closure_call,
    clippy::semicolon_if_nothing_returned
)]

mod before_first_polls;
mod caller;
mod desk;
mod detached;
mod published;
mod rechecked;
mod shielded;
mod stores;
mod tokens;
mod waiting_macros;
