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

// Of two definitions of a link, the first one counts. A guide links to the files of the repository;
// here, these links lead to the other guides.
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

#[doc = include_str!("../docs/testing.md")]
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

/// A snapshot, or what it is made from, as an example. The hidden lines are what both use of the
/// package whose tests compare them.
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

/// What the attribute makes of your function, and `#[derive(State)]` of your enum.
///
/// These are the snapshots that the macro is tested against (`tests/expand` in the repository), so
/// they are what it does today. What they call, in `__private`, is no interface: it changes without
/// notice. Of your own code see the same with
/// [`cargo expand`](https://github.com/dtolnay/cargo-expand). `run` is what the tests call, and `now`
/// the output of a future that is ready at its first poll.
///
/// # The smallest one
///
#[doc = snapshot!("no_state.rs")]
///
/// becomes
///
#[doc = snapshot!("no_state.expanded.rs")]
///
/// - The body is one `async move` block, in a future of the library that enters before its first
///   poll, looks at the state after each, and commits at its end.
/// - The `if let` is never taken. It says what the block returns before anything in it does, so
///   that `?` knows what to convert into.
/// - The guard keeps the token, which the body does not use. Any other parameter moves into the
///   block, be it used or not, so that it is gone when the body is.
/// - `EXPR.await` becomes `watch(__attempt, EXPR).await`: when it is ready and the start was
///   cancelled meanwhile, the next line does not run. An `EXPR.await;` whose value nobody uses
///   stays as it is, with a `checkpoint` behind it, so that rustc still warns of an unused `Result`.
///
/// # The front page
///
#[doc = snapshot!("readme.rs")]
///
/// becomes
///
#[doc = snapshot!("readme.expanded.rs")]
///
/// - `state = self.state` is what the attempt is about. It is borrowed here, because the body cannot
///   take it away; where it could, the attempt has a handle of its own. Without `state`, above, the
///   guard has a cell that nobody sees.
/// - The body names its token, so it gets a child of it, under the same name: `start_with_child`, and
///   `__attempt.child(shutdown)`.
/// - What is given to `serve` is spawned as you wrote it.
///
/// # Awaits
///
/// In loops and conditions, inside of one another, and in `select!`, `join!` and `try_join!`. Not in
/// closures and async blocks, which may run elsewhere.
///
#[doc = snapshot!("awaits.rs")]
///
/// becomes
///
#[doc = snapshot!("awaits.expanded.rs")]
///
/// # Stores
///
/// `self.state.store(..)` becomes a compare-and-swap in the name of this attempt.
///
#[doc = snapshot!("stores.rs")]
///
/// becomes
///
#[doc = snapshot!("stores.expanded.rs")]
///
/// # `#[shielded]`
///
/// Raises a shield that falls when it is dropped.
///
#[doc = snapshot!("shielded_parts.rs")]
///
/// becomes
///
#[doc = snapshot!("shielded_parts.expanded.rs")]
///
/// # `#[async_trait]`
///
/// Its functions arrive as blocks in a box, and leave as such.
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
/// The table is in the docs of your enum.
pub mod expansion {}

#[cfg_attr(not(doctest), doc = guide!("errors.md"))]
pub mod errors {}
