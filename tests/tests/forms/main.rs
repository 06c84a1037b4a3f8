//! Every form of start function, held to the same by running it: cancelled before, cancelled
//! during, dropped, not cancelled at all, and once more while it runs.
//!
//! A form is a guarded function whose body does its [`Work`](harness::Work), and one line that
//! calls it. Where the un-annotated function's future is `Send`, the annotated one must be.

mod arguments;
mod harness;
mod instrument;
mod patterns;
mod receivers;
mod returns;
mod signatures;
// They are the functions that this is about.
#[allow(clippy::manual_async_fn)]
mod tails;
// So are these.
#[allow(clippy::ref_option)]
mod tokens;
#[allow(clippy::manual_async_fn)]
mod traits;

mod reexported {
    pub(crate) use cancel_guarded as inner;
}
