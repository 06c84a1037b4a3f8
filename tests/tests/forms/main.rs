//! Every form of start function, run under the same checks: cancelled before the start, cancelled
//! during it, dropped, not cancelled, and started again while it runs.
//!
//! A form is a guarded function whose body does its [`Work`](harness::Work), and one line that
//! calls it. If the future of the plain function is `Send`, so is the guarded one.

mod arguments;
mod harness;
mod instrument;
mod patterns;
mod receivers;
mod returns;
mod signatures;
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
