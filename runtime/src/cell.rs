//! The cell: a shared handle to a service's state, and what others may do to it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::book::{Aftermath, Book};
use crate::error::{NotRunning, TransitionError};
use crate::failure::Failure;
use crate::hook::hook;
use crate::panics::quietly;
use crate::serve::Served;
use crate::state::{Lifecycle, State};
use crate::sync::{AtomicUsize, Mutex, Ordering};
use crate::tether::Tether;
use crate::wait::{Ended, Running, wait_for};
use crate::word::{Gone, Number, Phase, Snapshot, StartFrom, Word};
use crate::{__private::StoredByGuardedStart, ServedOutcome};

/// The state of one service: read by anybody, moved by compare-and-swap only.
///
/// A cheap handle; clones share one state. A service keeps one beside its other fields and names
/// it in `#[cancel_guarded(state = self.state)]`. The guard moves the cell through the six roles
/// of [`State`]; what it leaves to the service goes through [`transition`](Self::transition).
///
/// ```
/// use cancel_guarded::{Lifecycle, StateCell};
///
/// let state: StateCell = StateCell::named("mailer");
/// assert_eq!(state.state(), Lifecycle::Created);
/// assert!(!state.is_running());
/// ```
pub struct StateCell<S: State = Lifecycle> {
    pub(crate) shared: Arc<Shared<S>>,
}

/// What the handles of a cell share.
pub(crate) struct Shared<S: State> {
    word: Word<S>,
    /// How many handles there are. The hook, which a token may hold for long, is none.
    handles: AtomicUsize,
    name: Option<&'static str>,
    book: Mutex<Book>,
    #[cfg(feature = "testing")]
    has_begun: std::sync::atomic::AtomicBool,
}

impl<S: State> StateCell<S> {
    /// A cell in [`State::INITIAL`].
    pub fn new() -> Self {
        Self::with_name(None)
    }

    /// The same, with a name to be known by in logs and in `Debug`.
    pub fn named(name: &'static str) -> Self {
        Self::with_name(Some(name))
    }

    fn with_name(name: Option<&'static str>) -> Self {
        Self {
            shared: Arc::new(Shared {
                word: Word::new(),
                handles: AtomicUsize::new(1),
                name,
                book: Mutex::new(Book::default()),
                #[cfg(feature = "testing")]
                has_begun: std::sync::atomic::AtomicBool::new(false),
            }),
        }
    }

    /// The state at this moment. One atomic load.
    pub fn state(&self) -> S {
        self.shared.load().state()
    }

    /// Whether the state is [`State::RUNNING`]. One atomic load.
    pub fn is_running(&self) -> bool {
        self.shared.load().is_running()
    }

    /// Moves the cell from `from` to `to`, if it is in `from` and the move is the service's to
    /// make: to a step of its own, from such a step of a published service back to `RUNNING`,
    /// to `STOPPING`, and to `STOPPED`.
    ///
    /// With `STOPPED` the attempt has ended: once this has returned, its token is cancelled. A step of its own that a
    /// service takes before it was ever started is one from which no start begins.
    ///
    /// # Errors
    ///
    /// Nothing is changed, and the error carries the state that the cell is in, when it is not
    /// in `from`; while the body of a start exists (inside of it, write
    /// `self.state.store(..)`); out of `STOPPED` and `FAILED`; out of `STOPPING`, except to
    /// `STOPPED` and only if no failure was recorded; and into `INITIAL`, `STARTING` and
    /// `FAILED` (see [`fail`](Self::fail)), or `RUNNING` of a service that was never published.
    pub fn transition(&self, from: S, to: S) -> Result<(), TransitionError<S>> {
        self.shared
            .change(|word| word.transition(from, to))
            .map_err(|actual| TransitionError::new(from, to, actual.state()))
    }

    /// Ends the attempt or the service as failed, with `cause` (its `{:#}` form) as the message.
    ///
    /// A start under way is refused with [`StartError::Failed`](crate::StartError::Failed) and
    /// its body dropped. A running service goes to `STOPPING`, its token is cancelled, and
    /// `FAILED` follows when its body and its [`serve`](Self::serve)d futures are gone; at once
    /// if there are none. A cell that has not begun goes straight to `FAILED`.
    ///
    /// `true` if this was the first cause: it stays. `false` if there was one before, or if the
    /// service had ended; then nothing is changed.
    pub fn fail(&self, cause: impl fmt::Display) -> bool {
        let failure = Failure::error(format!("{cause:#}"));
        self.shared.fail(None, failure)
    }

    /// Why the last attempt failed, if it did. While it is still being taken down, this already
    /// tells the cause.
    pub fn failure(&self) -> Option<Failure> {
        // Under the lock, so that word and book speak of the same attempt.
        let book = self.shared.book.lock();
        book.failure(self.shared.load())
    }

    /// Waits until the service has been published.
    ///
    /// Bound at the call to the attempt under way, or to the next one if none is: what comes
    /// after that attempt does not count, however late this is polled. So call it before you
    /// spawn the start that it is about: on a cell that has ended this waits for a restart, and
    /// [`failure`](Self::failure) tells what became of the last attempt.
    ///
    /// # Errors
    ///
    /// [`NotRunning`], with the failure, once that attempt has ended without ever having been
    /// published. A cell that is stopped before it began refuses the attempt that did not come:
    /// the failure is `Cancelled`.
    ///
    /// # Cancellation safety
    ///
    /// Dropping it waits no longer, and does nothing else.
    pub fn running(
        &self,
    ) -> impl Future<Output = Result<(), NotRunning>> + Send + 'static + use<S> {
        Running::of_current_or_next(self)
    }

    /// Waits until the attempt seen at the call has ended: in `STOPPED` or `FAILED`, even if
    /// another one has begun since. At once if none is under way.
    ///
    /// # Cancellation safety
    ///
    /// Dropping it waits no longer, and does nothing else.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<S> {
        Ended::of_current(self)
    }

    /// Waits for the first state *seen* that satisfies `wanted`, and returns it.
    ///
    /// States that come and go between two looks are missed. For `RUNNING` take
    /// [`running`](Self::running), which misses nothing and does not wait for a service that
    /// has failed.
    ///
    /// # Cancellation safety
    ///
    /// Dropping it waits no longer, and does nothing else.
    pub fn wait_for<P>(&self, wanted: P) -> impl Future<Output = S> + use<S, P>
    where
        P: FnMut(S) -> bool,
    {
        wait_for(self.clone(), wanted)
    }

    /// Makes `future` a part of the service: to be polled once the start has published, dropped
    /// if it does not, and counted until it has ended. Spawn what this returns.
    ///
    /// It belongs to the attempt under way at the call. If there is none, or if that was refused
    /// or has failed, `future` is dropped unpolled; while the service drains it still joins.
    /// Several may belong to one attempt:
    ///
    /// - The end of the last, once the body has ended too, moves the cell to `STOPPED`.
    /// - The first that fails (by its [`Outcome`](crate::Outcome)), panics, or is dropped before it has ended
    ///   records the cause, cancels the attempt's token and moves the cell to `STOPPING`;
    ///   `FAILED` follows when the last is gone.
    /// - If the start is refused, `future` has been dropped before `FAILED` can be read, even
    ///   if the task that holds it is never polled again.
    /// - Dropped before publication, it refuses the start:
    ///   [`StartError::Failed`](crate::StartError::Failed).
    ///
    /// The output is `Some` of the future's own, or `None` if it was dropped unpolled. A panic
    /// goes on into the task, and so reaches its `JoinHandle`.
    ///
    /// **What serves has to watch the token that the body sees**, or nothing ends it: a
    /// cancelled service would be `STOPPING` for ever. And it has to own what it uses, as all
    /// that is spawned: clone the cell, or take `self: Arc<Self>`.
    ///
    /// One connection among many is not the service: let its future end with `()`, having dealt
    /// with its own errors, or one bad client fails the service for all.
    ///
    /// The refusal may drop `future` from another thread, so it has to be `Send`. What is not
    /// serves outside of this, and ends with `transition(STOPPING, STOPPED)`.
    ///
    /// Set-up belongs in the body, serving in here: nothing of `future` runs before the service
    /// is `RUNNING`, so a body that waits for its own served future waits for ever.
    ///
    /// # Cancellation safety
    ///
    /// Dropping what this returns before it has ended is a failure of the service, see above.
    #[must_use = "a served future that is dropped fails the service: spawn it"]
    pub fn serve<F>(&self, future: F) -> Served<S, F>
    where
        F: Future<Output: ServedOutcome> + Send + 'static,
    {
        Served::new(self.clone(), future)
    }

    /// Asks the service to stop, whatever it is doing: `INITIAL` becomes `STOPPED`; a start
    /// under way is refused as `Cancelled`; a published service, in `RUNNING` or a step of its
    /// own, becomes `STOPPING`. The attempt's own token is cancelled.
    ///
    /// **An attempt has a token of its own only if its body names a token parameter.** With
    /// `token = EXPR` the service looks at a token that others may share, and nobody cancels
    /// that here: then what serves has to watch the cell, with [`wait_for`](Self::wait_for).
    ///
    /// `true` for the one call that did it.
    pub fn request_stop(&self) -> bool {
        self.shared.request_stop(|_, _| ()).0
    }

    /// [`request_stop`](Self::request_stop), then waits until the attempt has ended, as
    /// [`stopped`](Self::stopped) does: every caller waits, also those who come second.
    ///
    /// **A service that serves outside of [`serve`](Self::serve) must say when it is drained**,
    /// with `transition(STOPPING, STOPPED)`: nobody else knows. Until then this waits. So it does
    /// for ever inside a served future, which waits for itself; there, `request_stop` is the one.
    ///
    /// # Cancellation safety
    ///
    /// The request is made at the first poll and stays made. Dropping this afterwards only
    /// waits no longer.
    pub fn stop(&self) -> impl Future<Output = bool> + Send + 'static + use<S> {
        let cell = self.clone();
        async move {
            let (requested, ended) = Ended::of_requested_stop(&cell);
            ended.await;
            requested
        }
    }

    /// Only within the body of a guarded start, where the attribute makes a compare-and-swap of
    /// it; anywhere else it does not compile.
    #[doc(hidden)]
    pub fn store(&self, _: S)
    where
        S: StoredByGuardedStart,
    {
    }
}

impl<S: State> Shared<S> {
    /// The state word at this moment.
    #[inline]
    pub(crate) fn load(&self) -> Snapshot<S> {
        self.word.load()
    }

    /// Makes a transition and enters it into the book. The caller, who holds the lock, releases
    /// it before the aftermath is carried out.
    #[inline]
    fn apply(
        &self,
        book: &mut Book,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(Snapshot<S>, Option<Aftermath>), Snapshot<S>> {
        let change = self.word.update(transition)?;
        let aftermath = book.enter(&change);
        #[cfg(feature = "tracing")]
        let aftermath = {
            let cause = || book.failure(change.new);
            match crate::trace::Event::of(self.name, &change, cause) {
                Some(event) => Some(aftermath.unwrap_or_default().telling(event)),
                None => aftermath,
            }
        };
        Ok((change.new, aftermath))
    }

    /// Makes a transition, and lets everybody know who waits for it.
    pub(crate) fn change(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(), Snapshot<S>> {
        let mut book = self.book.lock();
        let (_, aftermath) = self.apply(&mut book, transition)?;
        drop(book);
        carry_out(aftermath);
        Ok(())
    }

    /// Runs `f` on the book and the word as it is under the lock.
    pub(crate) fn with_book<T>(&self, f: impl FnOnce(&mut Book, Snapshot<S>) -> T) -> T {
        let mut book = self.book.lock();
        let word = self.load();
        f(&mut book, word)
    }

    /// Tells the attempt under way if its token is cancelled.
    #[inline]
    fn heed_token(&self, book: &mut Book) -> Option<Aftermath> {
        if !book.tether.as_ref()?.is_cancelled() {
            return None;
        }
        let (_, aftermath) = self.apply(book, Snapshot::cancel).ok()?;
        aftermath
    }

    /// The token of some attempt was cancelled. If it is the one under way, that is told to end
    /// before anybody is woken: this runs inside the cancelling call.
    pub(crate) fn on_cancel(&self) {
        let mut book = self.book.lock();
        let aftermath = self.heed_token(&mut book);
        drop(book);
        carry_out(aftermath);
    }

    /// An attempt begins, tied to its token by `tether`. Whoever is told that the token is cancelled
    /// has the state to look at again: [`refuse_entry`](Self::refuse_entry).
    #[inline]
    pub(crate) fn begin(
        self: &Arc<Self>,
        from: StartFrom,
        mut tether: Option<Pin<Box<Tether>>>,
    ) -> Result<Number, Declined<S>> {
        let mut book = self.book.lock();
        // Under the lock that the hook takes: whoever cancels from here on finds the attempt.
        if let Some(tether) = &mut tether {
            if !tether.as_mut().register(&hook(self)) {
                return Err(Declined::Cancelled);
            }
        }
        let (word, aftermath) = self
            .apply(&mut book, |word| word.begin(from))
            .map_err(|word| Declined::NotStartable(word.state()))?;
        book.turn_the_page();
        #[cfg(feature = "testing")]
        {
            // Read when the start has returned.
            self.has_begun.store(true, Ordering::Relaxed);
            if let Some(token) = tether.as_ref().and_then(|tether| tether.own_token()) {
                book.appendix().body_token = Some(token.clone());
            }
        }
        // The former attempt took its own along when it ended.
        book.tether = tether.take();
        drop(book);
        carry_out(aftermath);
        Ok(word.number())
    }

    /// A start whose token was cancelled before it began.
    pub(crate) fn refuse_entry(&self, from: StartFrom) -> Result<(), S> {
        let mut book = self.book.lock();
        let (_, aftermath) = self
            .apply(&mut book, |word| word.refuse_entry(from))
            .map_err(Snapshot::state)?;
        book.turn_the_page();
        drop(book);
        carry_out(aftermath);
        Ok(())
    }

    /// Publishes by `transition`, if nobody told the attempt to end. The answer is the word that
    /// declined it.
    #[inline]
    pub(crate) fn publish(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(), Snapshot<S>> {
        let mut book = self.book.lock();
        // The second line: should the hook not have run inside `cancel()`, because a foreign waker
        // panicked there or tokio-util has changed, a flag that is up still counts.
        let heeded = self.heed_token(&mut book);
        let published = self.apply(&mut book, transition);
        drop(book);
        carry_out(heeded);
        let (_, aftermath) = published?;
        carry_out(aftermath);
        Ok(())
    }

    /// See [`StateCell::request_stop`]. `also` sees the word that comes of it in the same moment.
    pub(crate) fn request_stop<T>(
        &self,
        also: impl FnOnce(&mut Book, Snapshot<S>) -> T,
    ) -> (bool, T) {
        let mut book = self.book.lock();
        let (requested, word, aftermath) = match self.apply(&mut book, Snapshot::request_stop) {
            Ok((word, aftermath)) => (true, word, aftermath),
            Err(word) => (false, word, None),
        };
        let also = also(&mut book, word);
        // Taken under this lock: the attempt may end, and give up its token, once it is released.
        let token = book.own_token().filter(|_| requested).cloned();
        drop(book);
        if let Some(token) = token {
            // A foreign waker that panics in there keeps nobody from finishing.
            quietly(|| token.cancel());
        }
        carry_out(aftermath);
        (requested, also)
    }

    /// Records why attempt `number`, or whichever is under way, failed, if this is the first
    /// cause. What is left of it is still to be told, and to end.
    pub(crate) fn record(
        &self,
        number: Option<Number>,
        failure: Failure,
    ) -> Option<(Snapshot<S>, Option<Aftermath>)> {
        let mut book = self.book.lock();
        self.load().fail(number)?;
        book.appendix().failure = Some(failure);
        self.apply(&mut book, |word| word.fail(number)).ok()
    }

    /// The attempt `number`, or whichever is under way, failed, and is to end. `true` if this
    /// was the first cause.
    pub(crate) fn fail(&self, number: Option<Number>, failure: Failure) -> bool {
        let Some((word, aftermath)) = self.record(number, failure) else {
            return false;
        };
        self.cancel_token(word.number());
        carry_out(aftermath);
        if !word.has_body() {
            // With nothing served either, there is nobody else to say that it has ended.
            self.end(word.number(), Gone::Served, 0);
        }
        true
    }

    /// Cancels the token of attempt `number`, if it has one of its own. Comes after the change
    /// that it follows from, so that the hook finds nothing to do. The attempt keeps the token
    /// until it has ended: whoever else fails it meanwhile returns only when the flag is up.
    pub(crate) fn cancel_token(&self, number: Number) {
        let token = self.with_book(|book, word| {
            let token = book.own_token();
            token.filter(|_| word.number() == number).cloned()
        });
        if let Some(token) = token {
            // A foreign waker that panics in there keeps nobody from finishing.
            quietly(|| token.cancel());
        }
    }

    /// Something of attempt `number` is gone: the body, or `served` of its served futures, or
    /// both.
    pub(crate) fn end(&self, number: Number, gone: Gone, served: usize) {
        let mut book = self.book.lock();
        let word = self.load();
        if word.number() != number {
            return;
        }
        let nothing_served = book.lose_served(served);
        let end = |word: Snapshot<S>| word.end(number, gone, nothing_served);
        let fails = end(word).is_some_and(|next| next.phase() == Phase::Failed);
        if fails && book.own_token().is_some() {
            // G4: the token before `FAILED`. Nothing of the attempt can be added meanwhile.
            drop(book);
            self.cancel_token(number);
            book = self.book.lock();
        }
        let ended = self.apply(&mut book, end);
        drop(book);
        if let Ok((_, aftermath)) = ended {
            carry_out(aftermath);
        }
    }
}

/// To be called when the lock is released.
#[inline]
pub(crate) fn carry_out(aftermath: Option<Aftermath>) {
    if let Some(aftermath) = aftermath {
        aftermath.carry_out();
    }
}

/// Why an attempt did not begin.
pub(crate) enum Declined<S> {
    Cancelled,
    NotStartable(S),
}

/// What [`testing::sweep`](crate::testing::sweep) asks.
#[cfg(all(feature = "testing", not(cancel_guarded_loom)))]
impl<S: State> Shared<S> {
    /// Whether futures of the attempt are served.
    pub(crate) fn has_served(&self) -> bool {
        self.with_book(|book, _| book.appendix().served > 0)
    }

    /// Whether the body of the last attempt saw a token of its own that is not cancelled.
    pub(crate) fn body_token_is_live(&self) -> bool {
        let token = self.with_book(|book, _| book.appendix().body_token.clone());
        token.is_some_and(|token| !token.is_cancelled())
    }

    /// Whether an attempt has ever begun, and not just been refused at entry.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// How many handles to the cell there are.
    pub(crate) fn handles(&self) -> usize {
        self.handles.load(Ordering::Acquire)
    }
}

impl<S: State> Clone for StateCell<S> {
    fn clone(&self) -> Self {
        // As in `Arc`: a new handle comes of one that is there.
        self.shared.handles.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: State> Drop for StateCell<S> {
    /// With the last handle goes what ties the cell to a token, whose waiters would otherwise
    /// keep it: nobody is left to see what a cancellation does.
    fn drop(&mut self) {
        // As in `Arc`: what was done through the others comes before.
        if self.shared.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let tether = self.shared.book.lock().tether.take();
            drop(tether);
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
        let mut cell = f.debug_struct("StateCell");
        if let Some(name) = self.shared.name {
            cell.field("name", &name);
        }
        cell.field("state", &self.state());
        if let Some(failure) = self.failure() {
            cell.field("failure", &failure);
        }
        cell.finish()
    }
}
