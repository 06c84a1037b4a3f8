//! Awaits in every position that an expression has, each function written once and compiled twice:
//! plain and guarded.
//!
//! Both must return the same, do the same in the same order and as many polls, drop the same in
//! the same order, and both be `Send` or neither. Cancelled at any await, the guarded one drops
//! what the plain one drops if it is dropped there; cancelled by an operation that succeeds, it
//! does not reach its next line.
//!
//! `edition-2021` compiles `every.rs` once more.

// As odd as code gets: each position is here for its own sake.
#[allow(unused_braces, clippy::all, clippy::pedantic)]
mod every;
mod harness;
mod let_chains;
