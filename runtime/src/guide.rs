//! Guides.
//!
//! - [`adopting`]: put the guard on a start that you have
//! - [`start_or_run`]: whether a function is a start or a run, and how to guard a run
//! - [`resources`]: what a body may take, and how it is given back
//! - [`shields`]: steps that must not be interrupted
//! - [`telling_others`]: registries, load balancers, systemd
//! - [`stopping`]: stop, drain, stop with a deadline, stop several services in order
//! - [`restarting`]: restart loops, the latch, `rearm`
//! - [`waiting`]: what can wait for ever, with a remedy for each case
//! - [`testing`]: every cancellation of your start, in one line
//! - [`observing`]: readiness, metrics, logs
//! - [`fitting_in`]: error types, web frameworks, sync functions, other executors
//! - [`lifecycle`]: the states, and what moves a cell from one to the next
//! - [`how_it_works`]: why a check and a compare-and-swap are not enough
//! - [`race_lab`]: how often other starts are late
//! - [`expansion`]: what the attribute writes
//! - [`errors`]: every message, its cause, its fix
//!
//! This module has no items, and exists in the docs only. The code of the guides is in
//! `examples/guides`, which has its tests.

// If a link has two definitions, the first one counts. A guide links to the files of the repository.
// Here, these links lead to the other guides.
macro_rules! guide {
    ($file:literal) => {
        concat!(
            include_str!("../docs/links.md"),
            "\n\n",
            include_str!(concat!("../docs/", $file))
        )
    };
}

#[cfg_attr(not(doctest), doc = guide!("adopting.md"))]
pub mod adopting {}

#[cfg_attr(not(doctest), doc = guide!("start_or_run.md"))]
pub mod start_or_run {}

#[cfg_attr(not(doctest), doc = guide!("resources.md"))]
pub mod resources {}

#[cfg_attr(not(doctest), doc = guide!("shields.md"))]
pub mod shields {}

#[cfg_attr(not(doctest), doc = guide!("telling_others.md"))]
pub mod telling_others {}

#[cfg_attr(not(doctest), doc = guide!("stopping.md"))]
pub mod stopping {}

#[cfg_attr(not(doctest), doc = guide!("restarting.md"))]
pub mod restarting {}

#[cfg_attr(not(doctest), doc = guide!("waiting.md"))]
pub mod waiting {}

#[cfg_attr(not(doctest), doc = guide!("testing.md"))]
pub mod testing {}

#[cfg_attr(not(doctest), doc = guide!("observing.md"))]
pub mod observing {}

#[cfg_attr(not(doctest), doc = guide!("fitting_in.md"))]
pub mod fitting_in {}

/// The states of a cell, and what moves it from one to the next.
///
/// <div>
#[doc = include_str!("../docs/lifecycle.svg")]
/// </div>
///
#[cfg_attr(not(doctest), doc = guide!("lifecycle.md"))]
pub mod lifecycle {}

#[cfg_attr(not(doctest), doc = guide!("how_it_works.md"))]
pub mod how_it_works {}

#[cfg_attr(not(doctest), doc = guide!("race_lab.md"))]
pub mod race_lab {}

/// A snapshot or its input, as an example. The hidden lines stand for the package whose tests compare
/// the snapshots.
macro_rules! snapshot {
    ($file:literal) => {
        concat!(
            "\n```rust\n",
            include_str!("../docs/expand-prelude.txt"),
            include_str!(concat!("../docs/expand/", $file)),
            "# run();\n```\n\n"
        )
    };
}

/// What the attribute writes into your function, and `#[derive(State)]` beside your enum.
///
/// These are the snapshots of the macro's tests (`tests/expand` in the repository). The names in
/// `__private` are no public interface, and change without notice. To see the expansion of your own
/// code, use [`cargo expand`](https://github.com/dtolnay/cargo-expand).
///
/// # The smallest one
///
#[doc = snapshot!("no_state.rs")]
///
/// becomes
///
#[doc = snapshot!("no_state.expanded.rs")]
///
/// - The body is one `async move` block in a future of the library. That future enters the cell before
///   the first poll of the body, reads the state word after each poll, and publishes at the end.
/// - The `if let` is never taken. It tells rustc the return type of the block, so that `?` knows what to
///   convert into.
/// - Every parameter moves into the block, also if the body does not use it, so that it is dropped with
///   the body.
/// - `EXPR.await` becomes `checked(__start, EXPR).await`. In a cancelled start, it neither polls `EXPR` for
///   the first time nor returns its output.
///
/// # With a state
///
#[doc = snapshot!("readme.rs")]
///
/// becomes
///
#[doc = snapshot!("readme.expanded.rs")]
///
/// The body names its token, so it gets a child of the token under the same name: `guard_by_child` and
/// `__start.child(shutdown)`.
///
/// # Awaits
///
/// In loops, in conditions, in arguments, and in `select!`, `join!` and `try_join!`. Not in closures and
/// async blocks, which may run elsewhere.
///
#[doc = snapshot!("awaits.rs")]
///
/// becomes
///
#[doc = snapshot!("awaits.expanded.rs")]
///
/// A `checkpoint` follows each statement with a macro that waits.
///
/// # Stores
///
/// `self.state.store(..)` becomes a compare-and-swap that is bound to this attempt.
///
#[doc = snapshot!("stores.rs")]
///
/// becomes
///
#[doc = snapshot!("stores.expanded.rs")]
///
/// # `#[shielded]`
///
/// The shield is a guard value. The body is not interrupted while it lives.
///
#[doc = snapshot!("shielded_parts.rs")]
///
/// becomes
///
#[doc = snapshot!("shielded_parts.expanded.rs")]
///
/// # `#[async_trait]`
///
/// Its functions end in a boxed block, and keep it.
///
#[doc = snapshot!("async_trait.rs")]
///
/// becomes
///
#[doc = snapshot!("async_trait.expanded.rs")]
///
/// # `#[derive(State)]`
///
#[doc = snapshot!("states.rs")]
///
/// becomes
///
#[doc = snapshot!("states.expanded.rs")]
///
/// The table is added to the docs of your enum.
pub mod expansion {}

#[cfg_attr(not(doctest), doc = guide!("errors.md"))]
pub mod errors {}
