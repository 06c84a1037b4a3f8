//! Generated code raises no lint, with nearly all lints on, and needs no `allow`. `cargo test`
//! checks rustc's lints, `cargo clippy` all.
//!
//! `ui/lints` tests that the user's own mistakes are still reported, once.

#![deny(warnings)]
#![deny(
    future_incompatible,
    keyword_idents,
    let_underscore,
    nonstandard_style,
    refining_impl_trait,
    rust_2018_compatibility,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused
)]
// The lints that are in no group, and allowed by default.
#![deny(
    absolute_paths_not_starting_with_crate,
    ambiguous_negative_literals,
    closure_returning_async_block,
    deprecated_in_future,
    deref_into_dyn_supertrait,
    explicit_outlives_requirements,
    ffi_unwind_calls,
    impl_trait_redundant_captures,
    let_underscore_drop,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    tail_expr_drop_order,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_code,
    unsafe_op_in_unsafe_fn,
    unstable_features,
    unused_import_braces,
    unused_lifetimes,
    unused_macro_rules,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
#![allow(
    clippy::absolute_paths,
    clippy::allow_attributes_without_reason,
    clippy::arbitrary_source_item_ordering,
    clippy::assertions_on_result_states,
    clippy::blanket_clippy_restriction_lints,
    clippy::default_numeric_fallback,
    clippy::implicit_return,
    clippy::infinite_loop,
    clippy::integer_division_remainder_used,
    clippy::manual_async_fn,
    clippy::missing_inline_in_public_items,
    clippy::missing_trait_methods,
    clippy::multiple_inherent_impl,
    clippy::needless_pass_by_ref_mut,
    clippy::question_mark_used,
    clippy::single_call_fn,
    clippy::single_char_lifetime_names,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::tests_outside_test_module,
    clippy::unused_async,
    reason = "they are about what is written here, and are raised without the attribute too"
)]

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{
    CancellationToken, Failure, Lifecycle, Publisher, StartError, State, StateCell, cancel_guarded,
};
use cancel_guarded_tests::now;
use tokio_test::{assert_pending, assert_ready_ok, task};

/// The result of a start.
pub type Started = Result<u16, StartError>;

/// The states of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
#[non_exhaustive]
pub enum Phase {
    /// Down.
    #[state(initial, stopped)]
    Idle,
    /// On its way.
    #[state(starting)]
    Opening,
    /// A step of its own.
    Migrating,
    /// Up.
    #[state(running)]
    Serving,
    /// On its way down.
    #[state(stopping)]
    Draining,
    /// Broken.
    #[state(failed)]
    Broken,
}

/// A service.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Service {
    state: StateCell,
    shutdown: CancellationToken,
    phase: StateCell<Phase>,
}

async fn bind() -> Started {
    Ok(80)
}

async fn ready() {}

#[cancel_guarded]
async fn empty(_shutdown: CancellationToken) {}

/// Binds.
///
/// # Errors
///
/// If it is refused.
#[cancel_guarded]
pub async fn free(shutdown: CancellationToken) -> Started {
    ready().await;
    let port = bind().await?;
    drop(shutdown);
    Ok(port)
}

#[cancel_guarded]
async fn unused_token(shutdown: &CancellationToken) -> Option<()> {
    ready().await;
    Some(())
}

#[cancel_guarded(state = state)]
async fn all_of_the_body(state: StateCell<Phase>, shutdown: Option<&CancellationToken>) -> Started {
    let mut port = 0;
    #[shielded]
    let lease = bind().await?;
    #[shielded]
    {
        ready().await;
    }
    state.store(Phase::Migrating);
    tokio::select! {
        () = ready() => {}
        bound = bind() => port = bound?,
    }
    let (left, right) = tokio::join!(bind(), bind());
    let ((), ()) = tokio::try_join!(fine(), fine())?;
    while let Some(more) = next(port).await {
        port = port.saturating_add(more);
        if port > 500 {
            break;
        }
    }
    let listen = async {
        ready().await;
    };
    listen.await;
    match bind().await {
        Ok(bound) if bound == lease => ready().await,
        Ok(_) | Err(_) => return Err(StartError::Cancelled),
    }
    drop(shutdown.cloned());
    Ok(port.saturating_add(left?).saturating_add(right?))
}

async fn fine() -> Result<(), StartError> {
    Ok(())
}

async fn next(port: u16) -> Option<u16> {
    (port < 1000).then_some(100)
}

#[cancel_guarded(state = state)]
async fn generic<T, F, const N: usize>(
    state: &StateCell,
    values: [T; N],
    mut make: F,
    (first, mut second): (u8, u8),
    shutdown: impl Into<Option<u8>> + Send,
    token: CancellationToken,
) -> Option<(usize, u8)>
where
    T: Send + Sync + fmt::Debug,
    F: FnMut(&T) -> u8 + Send,
{
    for value in &values {
        second = second.saturating_add(make(value));
        ready().await;
    }
    drop(token);
    shutdown
        .into()
        .map(|third| (N, first.max(second).max(third)))
}

#[cancel_guarded(run)]
async fn never(_: CancellationToken) {
    loop {
        ready().await;
    }
}

#[cancel_guarded(on_refused = |_| 0.into())]
async fn answered(shutdown: CancellationToken) -> Answer {
    ready().await;
    1.into()
}

#[derive(Debug)]
struct Answer(u16);

impl From<u16> for Answer {
    fn from(port: u16) -> Self {
        Self(port)
    }
}

impl cancel_guarded::Outcome for Answer {
    fn failure(&self) -> Option<Failure> {
        (self.0 > 1).then(|| Failure::new("many"))
    }
}

#[cancel_guarded(on_refused = refused)]
async fn answered_by_function(shutdown: CancellationToken) -> io::Result<u16> {
    ready().await;
    Ok(80)
}

fn refused(error: StartError) -> io::Result<u16> {
    Err(error.into())
}

#[cancel_guarded(shielded)]
async fn shielded(shutdown: &CancellationToken) -> Option<()> {
    shutdown.run_until_cancelled(ready()).await
}

#[cancel_guarded(token = &shutdown)]
async fn borrowing(shutdown: &CancellationToken) -> Option<&CancellationToken> {
    ready().await;
    Some(shutdown)
}

#[cancel_guarded]
fn bare(shutdown: CancellationToken) -> impl Future<Output = Started> + Send {
    async move {
        drop(shutdown);
        bind().await
    }
}

impl Service {
    /// Starts.
    ///
    /// # Errors
    ///
    /// If it is refused.
    #[cancel_guarded(state = self.state)]
    pub async fn start(&self, shutdown: CancellationToken) -> Started {
        let port = bind().await?;
        drop(task::spawn(self.state.serve(serve(shutdown))));
        Ok(port)
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn restart(&mut self, shutdown: &CancellationToken) -> Started {
        ready().await;
        bind().await
    }

    #[cancel_guarded(run, state = self.state, token = self.shutdown)]
    async fn run(&self) -> Result<(), StartError> {
        ready().await;
        self.state.store(Lifecycle::Running);
        self.shutdown.cancelled().await;
        Ok(())
    }

    #[cancel_guarded(state = self.phase)]
    async fn by_value(mut self, shutdown: CancellationToken) -> Started {
        self.shutdown = shutdown;
        bind().await
    }

    #[cancel_guarded(state = self.phase)]
    async fn by_arc(self: Arc<Self>, shutdown: Arc<CancellationToken>) -> Started {
        bind().await
    }

    #[cancel_guarded(state = self.phase)]
    async fn pinned(self: Pin<&mut Self>, shutdown: CancellationToken) -> Started {
        bind().await
    }

    #[cancel_guarded(state = self.phase)]
    fn boxed<'a>(
        &'a self,
        port: &'a u16,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Started> + Send + 'a>> {
        let more = *port;
        Box::pin(async move {
            ready().await;
            drop(shutdown);
            Ok(more)
        })
    }

    #[tracing::instrument(skip(self, shutdown))]
    #[cancel_guarded(state = self.phase)]
    async fn instrumented_above(&self, port: u16, shutdown: CancellationToken) -> Started {
        bind().await.map(|bound| bound.min(port))
    }

    #[cancel_guarded(state = self.phase)]
    #[tracing::instrument(skip(self, shutdown), err)]
    async fn instrumented_below(&self, port: u16, shutdown: CancellationToken) -> Started {
        bind().await.map(|bound| bound.min(port))
    }
}

#[cancel_guarded(run, state = state)]
async fn runs_from_entry(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    shutdown.cancelled().await;
    Ok(())
}

#[cancel_guarded(run, state = state, caller = whole)]
async fn runs_by_publisher(state: &StateCell, shutdown: CancellationToken) -> Started {
    let up = state.publisher();
    announce(up).await;
    #[shielded]
    let port = bind().await?;
    whole.cancel();
    shutdown.cancelled().await;
    Ok(port)
}

async fn announce(up: Publisher<Lifecycle>) {
    ready().await;
    let _is_up = up.publish();
}

#[cancel_guarded(run)]
async fn runs_without_state(shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        shutdown.cancelled().await;
    }
}

#[cancel_guarded(state = state, restart)]
fn starts_a_thread(state: &StateCell, shutdown: CancellationToken) -> Started {
    let guard = state.serve_guard();
    let thread = std::thread::spawn(move || {
        drop(shutdown);
        drop(guard);
    });
    Ok(if thread.join().is_ok() { 80 } else { 0 })
}

#[cancel_guarded(run, state = state)]
fn runs_on_a_thread(state: &StateCell, shutdown: &CancellationToken) -> Started {
    let mut turns: u16 = 0;
    while !shutdown.is_cancelled() {
        turns = turns.saturating_add(1);
        let _is_first = state.request_stop();
    }
    Ok(turns)
}

#[cancel_guarded(on_refused = move |error| Refused(name, Some(error)))]
async fn refused_with_an_owned_parameter(shutdown: CancellationToken, name: String) -> Refused {
    ready().await;
    Refused(String::new(), None)
}

#[derive(Debug)]
struct Refused(String, Option<StartError>);

impl cancel_guarded::Outcome for Refused {
    fn failure(&self) -> Option<Failure> {
        self.1.clone().map(|error| Failure::from_error(&error))
    }
}

struct Starting {
    phase: StateCell<Phase>,
    _port: u16,
}

#[cancel_guarded(state = phase)]
async fn with_patterns(
    Starting { phase, .. }: Starting,
    [first, .., _]: [u16; 3],
    _: u8,
    shutdown: CancellationToken,
) -> Started {
    ready().await;
    drop(shutdown);
    Ok(first)
}

/// With `return` as the style of a crate.
#[expect(clippy::needless_return, reason = "the other style")]
#[deny(clippy::implicit_return)]
mod explicit_return {
    use super::{
        CancellationToken, Lifecycle, Service, StartError, Started, bind, cancel_guarded, ready,
        serve, task,
    };

    impl Service {
        #[cancel_guarded(state = self.state)]
        pub(super) async fn start_and_return(
            &self,
            shutdown: CancellationToken,
            more: u16,
        ) -> Started {
            ready().await;
            let port = bind().await?;
            #[shielded]
            ready().await;
            drop(task::spawn(self.state.track(serve(shutdown))));
            return Ok(port.saturating_add(more));
        }

        #[cancel_guarded(run, state = self.state)]
        pub(super) async fn run_and_return(
            &self,
            shutdown: CancellationToken,
        ) -> Result<(), StartError> {
            #[shielded]
            ready().await;
            self.state.store(Lifecycle::Running);
            ready().await;
            drop(shutdown);
            return Ok(());
        }

        #[cancel_guarded(state = self.state)]
        pub(super) fn start_sync_and_return(&self, _shutdown: &CancellationToken) -> Started {
            return Ok(80);
        }
    }
}

async fn serve(shutdown: CancellationToken) {
    shutdown.cancelled().await;
}

#[async_trait]
trait Boxed {
    async fn start_boxed(&self, shutdown: CancellationToken) -> Started;

    #[cancel_guarded]
    async fn by_default(&self, mut port: u16, shutdown: CancellationToken) -> Started {
        ready().await;
        port = port.saturating_add(1);
        drop(shutdown);
        Ok(port)
    }
}

#[async_trait]
impl Boxed for Service {
    #[cancel_guarded(state = self.state)]
    async fn start_boxed(&self, shutdown: CancellationToken) -> Started {
        ready().await;
        bind().await
    }
}

trait Native {
    async fn start_native(&self, shutdown: CancellationToken) -> Started;

    #[cancel_guarded]
    async fn by_itself(&self, shutdown: CancellationToken) -> Started {
        ready().await;
        bind().await
    }
}

impl Native for Service {
    #[cancel_guarded(state = self.state)]
    async fn start_native(&self, shutdown: CancellationToken) -> Started {
        ready().await;
        bind().await
    }
}

#[test]
fn functions_start() {
    let token = CancellationToken::new;

    now(empty(token()));
    assert_eq!(now(free(token())), Ok(80));
    assert_eq!(now(unused_token(&token())), Some(()));
    assert!(now(all_of_the_body(StateCell::new(), None)).is_ok());
    let state = StateCell::new();
    let made = generic(&state, [1, 2], |_| 1, (0, 0), 1, token());
    assert_eq!(now(made), Some((2, 2)));
    drop(never(token()));
    assert_eq!(now(answered(token())).0, 1);
    assert!(now(answered_by_function(token())).is_ok());
    assert_eq!(now(shielded(&token())), Some(()));
    assert!(now(borrowing(&token())).is_some());
    assert_eq!(now(bare(token())), Ok(80));
    assert_eq!(starts_a_thread(&StateCell::new(), token()), Ok(80));
    let cancelled = token();
    cancelled.cancel();
    let Refused(name, error) = now(refused_with_an_owned_parameter(cancelled, "me".to_owned()));
    assert_eq!((name.as_str(), error), ("me", Some(StartError::Cancelled)));
    let phase = StateCell::new();
    let starting = Starting { phase, _port: 0 };
    let started = now(with_patterns(starting, [80, 1, 2], 0, token()));
    assert_eq!(started, Ok(80));
}

#[test]
fn methods_start() {
    let token = CancellationToken::new;
    let service = Service::default;

    // The served future is dropped before that.
    let refused = now(service().start(token()));
    assert!(matches!(refused, Err(StartError::Failed(_))));
    assert_eq!(now(service().restart(&token())), Ok(80));
    assert_eq!(now(service().by_value(token())), Ok(80));
    assert_eq!(now(Arc::new(service()).by_arc(Arc::new(token()))), Ok(80));
    assert_eq!(now(Pin::new(&mut service()).pinned(token())), Ok(80));
    assert_eq!(now(service().boxed(&80, token())), Ok(80));
    assert_eq!(now(service().instrumented_above(1, token())), Ok(1));
    assert_eq!(now(service().instrumented_below(1, token())), Ok(1));
    assert_eq!(now(service().start_boxed(token())), Ok(80));
    assert_eq!(now(service().by_default(79, token())), Ok(80));
    assert_eq!(now(service().start_native(token())), Ok(80));
    assert_eq!(now(service().by_itself(token())), Ok(80));
    assert_eq!(now(service().start_and_return(token(), 1)), Ok(81));
    assert_eq!(service().start_sync_and_return(&token()), Ok(80));
}

#[test]
fn runs_run() {
    let token = CancellationToken::new;
    let service = Service::default;

    let by_field = service();
    let mut run = task::spawn(by_field.run());
    assert_pending!(run.poll());
    by_field.shutdown.cancel();
    assert_ready_ok!(run.poll());
    let state = StateCell::new();
    let mut from_entry = task::spawn(runs_from_entry(&state, token()));
    assert_pending!(from_entry.poll());
    assert!(state.request_stop());
    assert_ready_ok!(from_entry.poll());
    assert_eq!(now(runs_by_publisher(&StateCell::new(), token())), Ok(80));
    assert_pending!(task::spawn(runs_without_state(token())).poll());
    assert_eq!(runs_on_a_thread(&StateCell::new(), &token()), Ok(1));
    assert_eq!(now(service().run_and_return(token())), Ok(()));
}
