//! The effects of the rewritten body: where a cancelled start ends, shields, stores, and the token
//! that the body sees.

// The bodies are unusual, in order to have an await in every place.
#![allow(
    clippy::borrowed_box,
    clippy::manual_async_fn,
    clippy::manual_let_else,
    clippy::match_bool,
    clippy::match_single_binding,
    clippy::never_loop,
    clippy::question_mark,
    clippy::redundant_closure_call,
    clippy::redundant_guards,
    clippy::ref_option,
    clippy::semicolon_if_nothing_returned,
    clippy::useless_format,
    clippy::useless_vec
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
