//! Guides: how to put the guard on a service that you have, and what to expect of it.
//!
//! - [`adopting`]: from an `AtomicBool`, an enum in an atomic, a lock, a `watch`, a `oneshot`, a
//!   `Notify`
//! - [`run_until_cancelled`]: functions that *are* the service, and return when it is over
//! - [`stopping`]: stopping, draining, stopping by force, restarting
//! - [`testing`]: every cancellation that can happen to your start, in one line; polling by hand
//! - [`observing`]: health checks, a metric, logs
//! - [`fitting_in`]: error types, tonic, axum, task trackers, other executors
//! - [`lifecycle`]: the picture: which states there are, and who moves each edge
//! - [`how_it_works`]: why a check and a compare-and-swap are not enough, and what is
//! - [`expansion`]: what the attribute makes of your function
//! - [`errors`]: every message, its cause, its fix
//!
//! This module has no items. It exists in the docs only.

#[doc = include_str!("../docs/adopting.md")]
pub mod adopting {}

#[doc = include_str!("../docs/run_until_cancelled.md")]
pub mod run_until_cancelled {}

#[doc = include_str!("../docs/stopping.md")]
pub mod stopping {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/observing.md")]
pub mod observing {}

#[doc = include_str!("../docs/fitting_in.md")]
pub mod fitting_in {}

/// The states of a cell, and who moves it from one to the next.
///
/// <div>
#[doc = include_str!("../docs/lifecycle.svg")]
/// </div>
///
#[doc = include_str!("../docs/lifecycle.md")]
pub mod lifecycle {}

#[doc = include_str!("../docs/how_it_works.md")]
pub mod how_it_works {}

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

#[doc = include_str!("../docs/errors.md")]
pub mod errors {}
