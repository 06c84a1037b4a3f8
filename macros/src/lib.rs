//! The macros of [`cancel-guarded`](https://docs.rs/cancel-guarded), which re-exports them. Depend
//! on that crate: what is generated here calls it.

#![forbid(unsafe_code)]

mod args;
mod check;
mod derive_state;
mod driver;
mod errors;
mod expand;
mod function;
mod instrumented;
mod model;
mod syntax;
#[cfg(test)]
mod tests;
mod token_param;
mod visit;

use proc_macro::TokenStream;

/// Guards an async start function: once its token is cancelled, it does not succeed any more, and
/// nothing of what it began is left behind.
///
/// ```
/// # use std::{io, net::SocketAddr};
/// # use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
/// # use tokio::net::TcpListener;
/// # struct Server { state: StateCell, addr: SocketAddr }
/// # async fn accept_loop(_: TcpListener, _: CancellationToken) {}
/// # impl Server {
/// #[cancel_guarded(state = self.state)]
/// pub async fn start(&self, shutdown: CancellationToken) -> io::Result<SocketAddr> {
///     let listener = TcpListener::bind(self.addr).await?;
///     let local = listener.local_addr()?;
///     tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
///     Ok(local)
/// }
/// # }
/// ```
///
/// # Arguments
///
/// | argument | meaning | default |
/// |---|---|---|
/// | `token = EXPR` | the token that guards the start: a `CancellationToken`, or a `&`, an `Arc` or an `Option` of one | the one parameter of such a type |
/// | `state = EXPR` | the `StateCell` of the service | none: entry, awaits and return are guarded, and nothing is published |
/// | `restart` | the start may also begin from `STOPPED` and `FAILED` | from `INITIAL` only |
/// | `on_refused = F` | what a refused start returns, `FnOnce(StartError) -> ReturnType` | the return type says it: `Refusable` |
/// | `shielded` | the body handles cancellation itself; with `state`, it publishes itself too | off |
/// | `crate = PATH` | where `cancel_guarded` is, if it was renamed or re-exported | `::cancel_guarded` |
///
/// # What it does
///
/// - **Before the body**: a start that may not begin, or whose token is cancelled already, is
///   refused. Of the body, nothing has run then.
/// - **At each await**: when the token is cancelled, the body is dropped where it waits. What has
///   completed meanwhile does not go on: behind every `.await` of the body, and behind `select!`,
///   `join!` and `try_join!`, nothing runs of a cancelled start. Closures, async blocks, items and
///   the input of other macros are left as they are written.
/// - **At the end**: the start is published and its value returned, or it is refused and its value
///   dropped. A cancellation falls on one side or the other.
///
/// # In the body
///
/// - The **token**, if it is a parameter, is a child of the caller's, in the same form. It is
///   cancelled if the start does not succeed, or the service fails later. To cancel it stops this
///   service only. `token = EXPR` passes the caller's own.
/// - **`STATE.store(..)`**, with the cell spelled as in `state = ..`, moves the service on from
///   where this start last moved it. To store the state that is `RUNNING` publishes early: from
///   there the body is the service, and is not interrupted any more.
/// - **`#[shielded]`** on a statement, a block or a `let` lets its awaits run to their end.
///
/// # A function that runs until it is cancelled
///
/// There the body is the service. It says itself when it is up, and handles cancellation itself:
///
/// ```
/// # use std::io;
/// # use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
/// # struct Mailer { state: StateCell }
/// # impl Mailer {
/// # async fn connect(&self) -> io::Result<()> { Ok(()) }
/// # async fn deliver(&self) { tokio::task::yield_now().await }
/// # async fn flush(&self) -> io::Result<()> { Ok(()) }
/// #[cancel_guarded(state = self.state, shielded)]
/// async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
///     self.connect().await?;
///     self.state.store(Lifecycle::Running);    // not written if it was cancelled meanwhile
///     while shutdown.run_until_cancelled(self.deliver()).await.is_some() {}
///     self.flush().await                       // the cell reads Stopping
/// }                                            // and Stopped behind it
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let mailer = Mailer { state: StateCell::new() };
/// # let shutdown = CancellationToken::new();
/// # let cancel = async { mailer.state.running().await.unwrap(); shutdown.cancel() };
/// # let run = tokio::time::timeout(std::time::Duration::from_secs(5), mailer.run(shutdown.clone()));
/// # tokio::join!(biased; cancel, run).1.unwrap().unwrap();
/// # assert_eq!(mailer.state.state(), Lifecycle::Stopped);
/// # }
/// ```
///
/// If the token is cancelled before `store(Lifecycle::Running)`, nothing is written, the body goes
/// on to its end, and the start is refused: `Err`, and `FAILED`.
///
/// # Where it goes
///
/// On an `async fn`, free or with any receiver, in an impl or with a default body in a trait; on a
/// method of an `#[async_trait]` trait or impl; on a function that ends in `async { .. }` or in
/// `Box::pin(async { .. })`. Above other attributes, except `#[instrument]`, which may be above or
/// below.
#[proc_macro_attribute]
pub fn cancel_guarded(args: TokenStream, item: TokenStream) -> TokenStream {
    driver::cancel_guarded(args.into(), item.into()).into()
}

/// Makes an enum a set of service states, by saying which variant plays which role.
///
/// ```
/// use cancel_guarded::{State, StateCell};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
/// enum Phase {
///     #[state(initial, stopped)]
///     Idle,
///     #[state(starting)]
///     Opening,
///     Migrating,
///     #[state(running)]
///     Serving,
///     #[state(stopping)]
///     Draining,
///     #[state(failed)]
///     Broken,
/// }
///
/// let state = StateCell::<Phase>::new();
/// assert_eq!(state.state(), Phase::Idle);
/// ```
///
/// The roles are `initial`, `starting`, `running`, `stopping`, `stopped` and `failed`. Each belongs
/// to exactly one variant; a variant may have several, or none, and is then a step of the service's
/// own. Variants carry no data, and there are at most 256.
///
/// `#[state(crate = PATH)]` on the enum says where `cancel_guarded` is, if it was renamed or
/// re-exported.
#[proc_macro_derive(State, attributes(state))]
pub fn derive_state(item: TokenStream) -> TokenStream {
    derive_state::state(item.into()).into()
}
