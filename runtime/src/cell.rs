//! The cell: a handle to the state of one service, and what its holders may do to it.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::as_cell::AsCell;
use crate::error::{NotRunning, StartError, TransitionError};
use crate::failure::Failure;
use crate::guard::ServeGuard;
use crate::lifecycle::{Lifecycle, State};
use crate::outcome::ServedOutcome;
use crate::publisher::Publisher;
use crate::serve::Served;
use crate::shared::{Handle, PartKind, PartsCount, Snapshot, StartFrom};
use crate::start::attempt::Attempt;
use crate::sync::CancellationToken;
use crate::token::AsToken;
use crate::wait::{WaitUntilEnded, WaitUntilRunning, WaitUntilStopAsked, wait_for};

/// The state of one service. Everybody may read it, and it changes by compare-and-swap only.
///
/// A cell is a handle: clones share one state. A service keeps one among its fields and names it in
/// `#[cancel_guarded(state = self.state)]`. The guard moves the cell through the six roles of
/// [`State`].
///
/// # What belongs to a service
///
/// The *parts* of an attempt are its body, what is [served](Self::serve), what is
/// [tracked](Self::track), and every [`ServeGuard`]. `STOPPED` and `FAILED` can be read only when
/// no part is left. A service without parts stops inside of [`request_stop`](Self::request_stop) or
/// `cancel()`. `Debug` shows how many parts of each kind are left, and where they were made.
///
/// ```
/// use cancel_guarded::{Lifecycle, StateCell};
///
/// let state: StateCell = StateCell::named("mailer");
/// assert_eq!(state.state(), Lifecycle::Created);
/// assert!(!state.is_running());
/// ```
pub struct StateCell<S: State = Lifecycle> {
    handle: Handle<S>,
}

/// Reading.
impl<S: State> StateCell<S> {
    /// A cell in [`State::INITIAL`].
    ///
    /// Outside of a field, write the type: `let state: StateCell = StateCell::new()`. Otherwise rustc
    /// may not know which set of states is meant (E0283).
    pub fn new() -> Self {
        Self {
            handle: Handle::new(None),
        }
    }

    /// A cell in [`State::INITIAL`], with a name for logs and `Debug`.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            handle: Handle::new(Some(name.into())),
        }
    }

    /// The state at this moment: one atomic load.
    pub fn state(&self) -> S {
        self.handle.load().state()
    }

    /// Whether the state is [`State::RUNNING`]: one atomic load.
    pub fn is_running(&self) -> bool {
        self.handle.load().is_running()
    }

    /// Why the last attempt failed.
    ///
    /// While an attempt is under way, this returns only a cause that can no longer change. It is
    /// always there when `FAILED` can be read.
    pub fn failure(&self) -> Option<Failure> {
        self.handle.failure()
    }

    /// Whether the cell was told to stop, by [`request_stop`](Self::request_stop) or one of the calls
    /// built on it, and not [rearmed](Self::rearm) since.
    ///
    /// A cancelled token and [`fail`](Self::fail) are no requests to stop.
    pub fn stop_requested(&self) -> bool {
        self.handle.load().stop_requested()
    }
}

/// The parts of a service.
impl<S: State> StateCell<S> {
    /// Makes `future` a part of the service that is being started: it runs once the start has
    /// published, and is dropped if the start is refused. Call it in the body, and spawn what it
    /// returns.
    ///
    /// - Its error, by its [`Outcome`](crate::Outcome), its panic, or its drop fails the service: the
    ///   cause is recorded, the own token cancelled, and the cell goes to `STOPPING`. `FAILED`
    ///   follows when no part is left.
    /// - When the last serving part (served futures, guards, the body of a `run`) has ended without a
    ///   failure, the service stops.
    /// - If the start is refused, `future` has been dropped before `FAILED` can be read, even if
    ///   the task that holds it is never polled again.
    /// - If no attempt is under way, or if it was told to end, `future` is dropped at once. On a cell
    ///   on which no start has begun, that is a mistake, see *Panics*.
    ///
    /// The returned future yields `Some` of the output, or `None` if `future` was dropped before it
    /// had ended. A panic of `future` goes on into the task, and so reaches its `JoinHandle`.
    ///
    /// One client among many is not the service: give its future to [`track`](Self::track).
    ///
    /// # When this waits for ever
    ///
    /// A body that awaits its own served future waits for ever, because nothing served runs before
    /// the body has returned. A served future that ignores its token keeps the service in
    /// `STOPPING`; [`stop_or_abort`](Self::stop_or_abort) drops it.
    ///
    /// # Panics
    ///
    /// In debug builds, if no start of this cell has ever begun. Release builds drop `future`, and
    /// log a warning with the feature `tracing`.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the returned future before it has ended fails the service.
    #[track_caller]
    pub fn serve<F>(&self, future: F) -> Served<S, F::IntoFuture>
    where
        F: IntoFuture<Output: ServedOutcome, IntoFuture: Send + 'static>,
    {
        Served::new(&self.handle, PartKind::Served, future.into_future())
    }

    /// As [`serve`](Self::serve), for a future that is not `Send`. Spawn it with `spawn_local`.
    ///
    /// If the start is refused, the task that holds `future` drops it when it is polled next, and
    /// `FAILED` waits for that. The refused start does not.
    ///
    /// # When this waits for ever
    ///
    /// If the task that holds it is neither polled nor dropped any more, the attempt never ends.
    ///
    /// # Panics
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Cancellation safety
    ///
    /// Dropping the returned future before it has ended fails the service.
    #[track_caller]
    pub fn serve_local<F>(&self, future: F) -> Served<S, F::IntoFuture>
    where
        F: IntoFuture<Output: ServedOutcome, IntoFuture: 'static>,
    {
        Served::local(&self.handle, future.into_future())
    }

    /// Makes the returned guard a part of the service until it is dropped: for a thread, or for a
    /// server that is no future of yours.
    ///
    /// Call this before the thread is spawned, and move the guard into the thread. If the thread
    /// called it, the service might have ended by then.
    ///
    /// If no attempt is under way, or if it was told to end, the guard is no part of anything, and
    /// its token is already cancelled. On a cell on which no start has begun, that is a mistake, and the
    /// feature `tracing` logs a warning.
    ///
    /// # When this waits for ever
    ///
    /// A guard that is never dropped keeps the service in `STOPPING`. Nothing can force it: watch
    /// [`ServeGuard::token`] in the thread.
    #[track_caller]
    pub fn serve_guard(&self) -> ServeGuard<S> {
        ServeGuard::new(&self.handle)
    }

    /// Makes `future` a client of the service: it runs once the start has published, and `STOPPED`
    /// waits for it. Spawn what this returns.
    ///
    /// Its error or panic fails nothing: it is logged with the feature `tracing`, and a panic reaches
    /// its `JoinHandle`. Its end stops nothing. A client may also join while the service drains.
    ///
    /// # When this waits for ever
    ///
    /// A client that ignores its token keeps the service in `STOPPING`;
    /// [`stop_or_abort`](Self::stop_or_abort) drops it.
    ///
    /// # Panics
    ///
    /// As [`serve`](Self::serve).
    ///
    /// # Cancellation safety
    ///
    /// Dropping the returned future drops `future`, and nothing more.
    #[track_caller]
    pub fn track<F>(&self, future: F) -> Served<S, F::IntoFuture>
    where
        F: IntoFuture<Output: ServedOutcome, IntoFuture: Send + 'static>,
    {
        Served::new(&self.handle, PartKind::Tracked, future.into_future())
    }

    /// The own token of the attempt under way, whatever its start is guarded by. `None` if no attempt
    /// is under way.
    ///
    /// It is a child of the token that guards the start, and is cancelled whenever the attempt is told
    /// to end. Cancelling it stops this service, without the latch of
    /// [`request_stop`](Self::request_stop).
    pub fn token(&self) -> Option<CancellationToken> {
        self.handle.own_token(None)
    }

    /// Publishes the `run` that is under way, from whatever task knows that the service is up. Call
    /// it in the body, and hand the [`Publisher`] down.
    pub fn publisher(&self) -> Publisher<S> {
        Publisher::new(&self.handle)
    }
}

/// Starting without the attribute.
impl<S: State> StateCell<S> {
    /// Begins a start now, guarded by `token`: for constructors, builders and sync callers. Drive the
    /// returned [`Attempt`], or drop it to refuse the start.
    ///
    /// # Errors
    ///
    /// [`StartError::NotStartable`] unless the cell is in `INITIAL`, [`StartError::StopRequested`],
    /// or [`StartError::Cancelled`] if `token` is already cancelled; then the cell reads `FAILED`.
    #[must_use = "an attempt that is dropped without being driven refuses the start: await `start(..)` or `run(..)`, or call `start_sync(..)`"]
    pub fn begin<T: AsToken + ?Sized>(&self, token: &T) -> Result<Attempt<S>, StartError> {
        Attempt::begin(&self.handle, token, StartFrom::Initial)
    }

    /// As [`begin`](Self::begin), also from `STOPPED` and `FAILED`.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin), except that only an attempt under way is
    /// [`StartError::NotStartable`].
    #[must_use = "an attempt that is dropped without being driven refuses the start: await `start(..)` or `run(..)`, or call `start_sync(..)`"]
    pub fn begin_again<T: AsToken + ?Sized>(&self, token: &T) -> Result<Attempt<S>, StartError> {
        Attempt::begin(&self.handle, token, StartFrom::Idle)
    }
}

/// Moving.
impl<S: State> StateCell<S> {
    /// Moves the cell from `from` to `to`, if it is in `from` and the move is the service's to make:
    /// a published service may go to a step of its own and back to `RUNNING`, and every service may
    /// go to `STOPPING`.
    ///
    /// `STOPPING` means what [`request_stop`](Self::request_stop) does, without the latch: a cell in
    /// `INITIAL` goes to `STOPPED`, a start under way is refused, and a service without parts goes
    /// straight on to `STOPPED`. `STOPPED` and `FAILED` are entered by the guard alone, when no part is
    /// left.
    ///
    /// # Errors
    ///
    /// If the cell is not in `from`, or if the move is not allowed. The cell is unchanged, and the
    /// error has the state that it is in.
    pub fn transition(&self, from: S, to: S) -> Result<(), TransitionError<S>> {
        match self.handle.change(|word| word.transition(from, to)) {
            Ok(_) => Ok(()),
            Err(word) => Err(TransitionError::new(from, to, word.state())),
        }
    }

    /// Ends the attempt or the service as failed, with `cause` as the message, formatted with `{:#}`.
    /// To keep the sources of an error that does not show them itself, pass
    /// [`Failure::from_error`].
    ///
    /// A start under way is refused with [`StartError::Failed`] and its body dropped. A running
    /// service goes to `STOPPING`, its own token is cancelled, and `FAILED` follows when no part is
    /// left. A cell in `INITIAL` goes straight to `FAILED`.
    ///
    /// `true` if this is the first cause. `false`, and nothing has changed, if there was one before,
    /// or if the service had ended.
    pub fn fail(&self, cause: impl fmt::Display) -> bool {
        self.handle.fail(None, Failure::new(cause))
    }

    /// Asks the service to stop, whatever it is doing, and to begin nothing again until
    /// [`rearm`](Self::rearm) is called.
    ///
    /// `INITIAL` becomes `STOPPED`. A start under way is refused as `Cancelled`. A published service
    /// goes to `STOPPING`, and on to `STOPPED` if no part is left. The own token of the attempt is
    /// cancelled.
    ///
    /// `true` for the first call since the cell was made or rearmed.
    pub fn request_stop(&self) -> bool {
        self.handle.request_stop(|_, _| ()).0
    }

    /// Asks the service to stop, and drops its futures: every served, local and tracked future, and
    /// the body of a published `run`, is dropped at its next poll, for which its task is woken. One
    /// that was not polled yet is dropped by this call. No `JoinHandle` is needed.
    ///
    /// The service ends in `FAILED` as [`Dropped`](crate::FailureKind::Dropped) if something was
    /// dropped so, and otherwise as [`request_stop`](Self::request_stop) ends it. A
    /// [`ServeGuard`] and a `#[shielded]` step are only told, by the own token.
    pub fn abort(&self) {
        self.handle.abort(None);
    }

    /// Takes back every request to stop so far, so that a `restart` may begin. Call it only if
    /// all of these requests are yours.
    ///
    /// To bounce a service, do not rearm it: stop it by its [`token`](Self::token), which does not
    /// latch, await [`stopped`](Self::stopped), and start it again.
    ///
    /// `false`, and nothing has changed, while an attempt is under way.
    pub fn rearm(&self) -> bool {
        match self.handle.change(Snapshot::rearm) {
            Ok(_) => true,
            Err(word) => word.is_idle(),
        }
    }

    /// In the body of a guarded function, the attribute turns this into a compare-and-swap. Anywhere
    /// else it does not compile.
    #[doc(hidden)]
    pub fn store(&self, _: S)
    where
        S: StoredByGuardedStart,
    {
    }
}

/// Waiting.
impl<S: State> StateCell<S> {
    /// Waits until the service has been published.
    ///
    /// The call, not the first poll, chooses which attempt is waited for: the one under way, or in
    /// `INITIAL` the first one. Once that attempt has published, the result is `Ok`, whatever follows and however late this is polled.
    ///
    /// # Errors
    ///
    /// [`NotRunning`] when that attempt has ended without having published, and at once if the cell is
    /// `STOPPING`, `STOPPED` or `FAILED` at the call. To wait for a restart, call
    /// [`begin_again`](Self::begin_again) first, then this, and then drive the attempt.
    ///
    /// # When this waits for ever
    ///
    /// In `INITIAL`, until somebody starts the service or stops it.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future only ends the wait.
    pub fn running(
        &self,
    ) -> impl Future<Output = Result<(), NotRunning>> + Send + 'static + use<S> {
        WaitUntilRunning::new(&self.handle)
    }

    /// Waits until the attempt under way at the call, or in `INITIAL` the first one, has ended. At
    /// once if the cell has ended.
    ///
    /// # Errors
    ///
    /// The [`Failure`] that the attempt ended with, unless that is
    /// [`Cancelled`](crate::FailureKind::Cancelled): a start that was told to end in time is no
    /// error.
    ///
    /// # When this waits for ever
    ///
    /// In `INITIAL`, until somebody starts the service or stops it. And while a part is left: one that
    /// ignores its token, or the very part that waits here. See
    /// [`stop_or_abort`](Self::stop_or_abort).
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future only ends the wait.
    pub fn stopped(&self) -> impl Future<Output = Result<(), Failure>> + Send + 'static + use<S> {
        WaitUntilEnded::new(&self.handle)
    }

    /// Calls [`request_stop`](Self::request_stop), and waits until the attempt has ended. Every caller
    /// waits, the first and those after it.
    ///
    /// # Errors
    ///
    /// As [`stopped`](Self::stopped). If the service had failed before this call, its failure is
    /// returned, and [`Failure::was_told_to_end`] is `false`.
    ///
    /// # When this waits for ever
    ///
    /// While a part is left that ignores its token. Called in a part of the service, it waits for
    /// itself: call [`request_stop`](Self::request_stop) there. Called in the task that owns a
    /// suspended start and no longer polls it, it waits for that start: drop the start first. With a
    /// deadline, use [`stop_or_abort`](Self::stop_or_abort).
    ///
    /// # Cancellation safety
    ///
    /// The stop is requested at the first poll and stays requested. Dropping the future after that
    /// only ends the wait.
    pub fn stop(&self) -> impl Future<Output = Result<(), Failure>> + Send + 'static + use<S> {
        let handle = self.handle.clone();
        async move { WaitUntilEnded::after_request_stop(handle).await }
    }

    /// Calls [`stop`](Self::stop). If `deadline` is ready first, calls [`abort`](Self::abort), and
    /// waits on.
    ///
    /// It may be called several times for one attempt. The earliest deadline counts, and every call
    /// waits for the end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cancel_guarded::{Failure, StateCell};
    /// # async fn shut_down(state: StateCell) -> Result<(), Failure> {
    /// state.stop_or_abort(tokio::time::sleep(Duration::from_secs(10))).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`stopped`](Self::stopped): [`Dropped`](crate::FailureKind::Dropped) if futures had to be
    /// dropped.
    ///
    /// # When this waits for ever
    ///
    /// While a [`ServeGuard`] is left, or a future whose poll blocks or never comes again.
    ///
    /// # Cancellation safety
    ///
    /// As [`stop`](Self::stop). Dropped before the deadline, it aborts nothing.
    pub fn stop_or_abort<D: IntoFuture>(
        &self,
        deadline: D,
    ) -> impl Future<Output = Result<(), Failure>> + use<S, D> {
        let handle = self.handle.clone();
        let deadline = deadline.into_future();
        async move {
            let mut ended = WaitUntilEnded::after_request_stop(handle.clone());
            let attempt = ended.attempt();
            let mut deadline = pin!(deadline);
            let in_time = poll_fn(|cx| {
                if let Poll::Ready(result) = pin!(&mut ended).poll(cx) {
                    return Poll::Ready(Some(result));
                }
                deadline.as_mut().poll(cx).map(|_| None)
            });
            if let Some(result) = in_time.await {
                return result;
            }
            handle.abort(Some(attempt));
            ended.await
        }
    }

    /// Waits until the cell is told to stop, by [`request_stop`](Self::request_stop) or one of the calls
    /// built on it. At once if it [was](Self::stop_requested) told and is not [rearmed](Self::rearm).
    ///
    /// A supervisor that sleeps before it starts the service again waits for this beside the sleep.
    ///
    /// # When this waits for ever
    ///
    /// If nobody stops the service. A cancelled token does not end this wait.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future only ends the wait.
    pub fn stop_asked(&self) -> impl Future<Output = ()> + Send + 'static + use<S> {
        WaitUntilStopAsked::new(&self.handle)
    }

    /// Waits for the first state *seen* that satisfies `wanted`, and returns it.
    ///
    /// States that come and go between two polls are missed. For `RUNNING`, use
    /// [`running`](Self::running), which misses nothing and does not wait for a service that has
    /// failed.
    ///
    /// # When this waits for ever
    ///
    /// If no such state comes, for example because the service has ended. Let `wanted` also accept
    /// `STOPPED` and `FAILED`.
    ///
    /// # Cancellation safety
    ///
    /// Dropping the future only ends the wait.
    pub fn wait_for<P>(&self, wanted: P) -> impl Future<Output = S> + use<S, P>
    where
        P: FnMut(S) -> bool,
    {
        wait_for(self.handle.clone(), wanted)
    }
}

/// Implemented by nothing, so [`StateCell::store`] compiles nowhere: in a guarded body, the macro
/// writes a call of its own in its place.
#[diagnostic::on_unimplemented(
    message = "`store` is only for the body of a guarded function",
    label = "the guard does not see this",
    note = "in the body of a `#[cancel_guarded(state = ..)]` function, spell the cell as `state = ..` does, and move the `store` out of the input of macros like `select!`",
    note = "to publish a `run` from a function that it calls, take `let up = STATE.publisher()` in its body, hand `up` down, and call `up.publish()` there",
    note = "for a step of your own, write `transition(from, to)` anywhere, which says what it expects to find"
)]
pub trait StoredByGuardedStart {}

impl<S: State> AsCell<S> for StateCell<S> {
    fn as_handle(&self) -> &Handle<S> {
        &self.handle
    }
}

impl<S: State> Clone for StateCell<S> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
        }
    }
}

impl<S: State> Default for StateCell<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: State> fmt::Debug for StateCell<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, parts) = self.handle.count_parts();
        let mut cell = f.debug_struct("StateCell");
        if let Some(name) = self.handle.name() {
            cell.field("name", &name);
        }
        cell.field("state", &word.state());
        if let Some(failure) = self.failure() {
            cell.field("failure", &failure);
        }
        if word.stop_requested() {
            cell.field("stop_requested", &true);
        }
        if word.has_body() {
            cell.field("body", &true);
        }
        if parts != PartsCount::default() {
            cell.field("parts", &parts);
            cell.field("made_at", &self.handle.part_places());
        }
        cell.finish()
    }
}
