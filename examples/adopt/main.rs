//! Before and after: the four shapes of a start that comes up although it was told to stop, as they
//! are found in real repositories, and each of them guarded.
//!
//! ```text
//! cargo run --example adopt
//! ```
//!
//! Each is polled by hand and told to stop while it waits for its set-up, which is then done all
//! the same: the window that a test under load meets once in a while. It is late if it says that it
//! is up behind that. The program fails if one after is late, or if one before is not: then it
//! would show nothing.
//!
//! ```text
//! | shape                                     | before: late | after: late |
//! |-------------------------------------------|-------------:|------------:|
//! | running.store(true), then set up          |     64 of 64 |     0 of 64 |
//! | bind, set up, ready.notify_waiters()      |     64 of 64 |     0 of 64 |
//! | select! of set-up and cancelled, unbiased |     31 of 64 |     0 of 64 |
//! | run_until_cancelled(set up), then ready   |     64 of 64 |     0 of 64 |
//! ```
//!
//! `select!` throws a coin when both are ready, so its count differs from run to run. The others do
//! not: their window is hit each time.

mod drill;
mod flag;
mod notify;
mod select;
mod service;
mod shapes;
mod until_cancelled;

use std::process::ExitCode;

use crate::shapes::{ROUNDS, SHAPES};

/// One thread: what a start spawns has no turn before the start has been looked at.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    println!("| shape                                     | before: late | after: late |");
    println!("|-------------------------------------------|-------------:|------------:|");
    let mut is_as_told = true;
    for shape in SHAPES {
        let (before, after) = shape.late();
        let name = shape.name;
        println!("| {name:<41} | {before:>6} of {ROUNDS} | {after:>5} of {ROUNDS} |");
        is_as_told &= before > 0 && after == 0;
    }
    if is_as_told {
        ExitCode::SUCCESS
    } else {
        eprintln!("an after was late, or a before was not");
        ExitCode::FAILURE
    }
}
