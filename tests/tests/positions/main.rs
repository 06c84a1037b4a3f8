//! Awaits in every position of an expression. Each function is written once and compiled twice:
//! plain and guarded.
//!
//! Both must return equal values, do equal work in equal order and number of polls, drop equal
//! values in equal order, and both be `Send` or neither. Cancelled at any await, the guarded one
//! drops what the plain one drops if it is dropped there. Cancelled by an operation that succeeds,
//! the guarded one does not reach its next line.
//!
//! `edition-2021` compiles `every.rs` again.

// These positions are unusual code on purpose.
#[allow(unused_braces, clippy::all, clippy::pedantic)]
mod every;
mod harness;
mod let_chains;
