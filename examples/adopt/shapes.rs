//! The list of them, and how often each is late.

use crate::{flag, notify, select, until_cancelled};

/// How often each is told to stop. That `select!` is in time each time has a chance of 1 in 2^64.
pub(crate) const ROUNDS: usize = 64;

pub(crate) struct Shape {
    pub(crate) name: &'static str,
    before: fn() -> bool,
    after: fn() -> bool,
}

pub(crate) const SHAPES: [Shape; 4] = [
    Shape {
        name: "running.store(true), then set up",
        before: flag::before,
        after: flag::after,
    },
    Shape {
        name: "bind, set up, ready.notify_waiters()",
        before: notify::before,
        after: notify::after,
    },
    Shape {
        name: "select! of set-up and cancelled, unbiased",
        before: select::before,
        after: select::after,
    },
    Shape {
        name: "run_until_cancelled(set up), then ready",
        before: until_cancelled::before,
        after: until_cancelled::after,
    },
];

impl Shape {
    /// How often it was late in [`ROUNDS`] starts, before and after.
    pub(crate) fn late(&self) -> (usize, usize) {
        let late = |start: fn() -> bool| (0..ROUNDS).filter(|_| start()).count();
        (late(self.before), late(self.after))
    }
}
