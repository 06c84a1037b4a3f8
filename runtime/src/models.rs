//! The cell, the attempt and the parts under loom: the interleavings of two or three threads, over a
//! model of tokio-util's token. `.ci/loom` runs them.
//!
//! Each model prints how many executions it explored, and how often each outcome was met. A model
//! is exhaustive unless it prints a bound on preemptions.
//!
//! loom explores one interleaving of those that it takes to be equal, and it has been seen to miss
//! some that differ: an observer on the model's main thread never reads a later state than its
//! first, so observers run on a thread of their own. loom does not know `std::sync::Arc`. So each
//! model names the outcomes that are possible, and fails unless it meets each of them and no other.
//! A thread that waits for a wake that never comes is a deadlock, which loom reports.

mod abort;
mod counter_models;
mod foreign_wakers;
mod handles;
mod harness;
mod observers;
mod own_token;
mod parts;
mod run;
mod start;
mod stop;
mod token;
mod waiters;
