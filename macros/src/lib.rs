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

/// Guards a function that starts or runs a service: after its token is cancelled, the service never
/// comes up, and nothing that it serves or tracks on its cell is left running.
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
/// | `start` | the function returns when the service is up | yes, unless the body looks like a `run`; then one of the two has to be written |
/// | `run` | the function returns when the service is over: its body is the service | |
/// | `token = EXPR` | the token that guards the function: a `CancellationToken`, a reference or a smart pointer to one, or an `Option` of one. `token = PARAM` names a parameter, and the body sees a child of it. With any other expression, the body takes its own token from `STATE.token()`: every stop cancels that one, and not `EXPR` | the one parameter that is a `CancellationToken`, in any `&`, `Arc` or `Option` |
/// | `caller = NAME` | binds the caller's own token to `NAME` in the body | |
/// | `state = EXPR` | the `StateCell` of the service | none: nothing is published |
/// | `restart` | the service may also begin again from `STOPPED` and `FAILED` | from `INITIAL` only |
/// | `on_refused = F` | what a refused call returns, `FnOnce(StartError) -> ReturnType` | `FromStartError` |
/// | `shielded` | nothing interrupts the body | off |
/// | `crate = PATH` | where `cancel_guarded` is, if it was renamed or re-exported | `::cancel_guarded` |
///
/// # A start
///
/// - **Before the body**: the state is checked, and then the token. If either refuses the start, no
///   line of the body runs.
/// - **At each await**: when the token is cancelled, the body is dropped where it is suspended. An
///   operation that completes after the cancellation does not go on: the next line does not run, and
///   no further operation is polled. This holds for every `.await` of the body itself, and for the
///   statements that contain `select!`, `join!` or another macro with an `.await` in it. Nested
///   closures, async blocks and items are left as they are written.
/// - **At the end**: either the service is published and the value returned, or the value is dropped
///   and the call refused.
///
/// A function that is not `async` is checked before its body and at its end.
///
/// # A run
///
/// The body of a `run` is the service. Up to its publication it is guarded like a start. After that
/// nothing interrupts it: it waits for its token as it likes, and its end is the end of the service.
/// It publishes with `STATE.store(..)` or with a `STATE.publisher()`. If the body contains neither,
/// the service is published before the body begins.
///
/// ```
/// # use std::io;
/// # use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
/// # struct Mailer { state: StateCell }
/// # impl Mailer {
/// # async fn connect(&self) -> io::Result<()> { Ok(()) }
/// # async fn deliver(&self) { tokio::task::yield_now().await }
/// # async fn flush(&self) -> io::Result<()> { Ok(()) }
/// #[cancel_guarded(run, state = self.state)]
/// async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
///     self.connect().await?;                   // interrupted, if it is cancelled here
///     self.state.store(Lifecycle::Running);
///     while shutdown.run_until_cancelled(self.deliver()).await.is_some() {}
///     self.flush().await                       // the state is Stopping
/// }                                            // and Stopped after it
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
/// # In the body
///
/// - The **token**, if it is a parameter, is a child of the caller's, in the same form. It is
///   cancelled when the attempt ends. To cancel it is an error: cancel a `child_token()` to end a
///   part of the service, call `STATE.request_stop()` to end the service, or write `caller = NAME`
///   and `NAME.cancel()` to cancel more than that.
/// - **`STATE.store(..)`**, with the cell spelled as in `state = ..`, moves the service on from the
///   state that this attempt last wrote. It does nothing if the attempt was told to end.
/// - **`#[shielded]`** on a statement, a block or a `let` lets its awaits run to their end. It does
///   not help against a drop of the whole future: spawn what has to finish.
/// - **`#[detached]`** on a statement says that the task which it spawns may outlive the service. With
///   `state`, every other task that the body lets go of has to be
///   [served or tracked](https://docs.rs/cancel-guarded/latest/cancel_guarded/struct.StateCell.html).
///
/// # Where it goes
///
/// On a function, `async` or not, free or with any receiver, in an impl or with a default body in a
/// trait; on a method of an `#[async_trait]` trait or impl; on a function that ends in `async { .. }`
/// or in `Box::pin(async { .. })`. It goes above other attributes, except `#[instrument]`, which may
/// be above or below.
///
/// # Size
///
/// Each parameter that the body uses is stored three times in the future of a guarded `async fn`: as a
/// captured parameter of the function, as one of the guarded body, and as the variable of the body. A
/// plain `async fn` stores it twice. Pass large values in a `Box` or an `Arc`.
///
/// # Lints
///
/// A `#[must_use]` on an `async fn` itself, and not on what it returns, has no effect on a call
/// `f().await;` in the body.
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
