//! Every form of start function, run under the same checks: cancelled before the start, cancelled
//! during it, dropped, not cancelled, and started again while it runs.
//!
//! A form is a guarded function whose body does its [`Work`](harness::Work), and one line that
//! calls it. If the future of the plain function is `Send`, so is the guarded one.

// A refusal is taken by value.
#[allow(clippy::needless_pass_by_value)]
mod arguments;
mod fragments;
mod harness;
mod instrument;
mod patterns;
// These functions are what the module tests.
#[allow(
    clippy::borrowed_box,
    clippy::box_collection,
    clippy::redundant_allocation
)]
mod places;
mod receivers;
mod returns;
mod runs;
mod signatures;
#[allow(clippy::unnecessary_wraps, clippy::needless_pass_by_value)]
mod sync;
// These functions are what the module tests.
#[allow(clippy::manual_async_fn)]
mod tails;
// The same holds here.
#[allow(clippy::ref_option)]
mod tokens;
#[allow(clippy::manual_async_fn)]
mod traits;

mod reexported {
    pub(crate) use cancel_guarded as inner;
}
