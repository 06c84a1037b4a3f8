//! The cell: a shared handle to a service's state, and what others may do to it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

#[cfg(feature = "tracing")]
use crate::book::Aftermath;
use crate::book::Book;
use crate::error::{NotRunning, TransitionError};
use crate::failure::Failure;
use crate::hook::hook;
use crate::panics::quietly;
use crate::serve::Served;
use crate::state::{Lifecycle, State};
use crate::sync::{AtomicUsize, CancellationToken, Mutex, MutexGuard, Ordering};
use crate::tether::Tether;
use crate::wait::{Ended, Running, wait_for};
use crate::word::{Change, Gone, Number, Snapshot, StartFrom, Word};
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

    /// Enters a change into the book, releases the lock, and lets everybody know whom it concerns.
    #[inline]
    fn tell(&self, book: MutexGuard<'_, Book>, change: &Change<S>) {
        if cfg!(feature = "tracing") || change.concerns_others() {
            self.cancel_and_tell(None, book, change);
        }
    }

    /// The same, and `token` is cancelled: whoever is woken by the change finds it so.
    #[cfg_attr(
        not(feature = "tracing"),
        expect(clippy::unused_self, reason = "for traces")
    )]
    fn cancel_and_tell(
        &self,
        token: Option<CancellationToken>,
        mut book: MutexGuard<'_, Book>,
        change: &Change<S>,
    ) {
        let aftermath = change.concerns_others().then(|| book.enter(change));
        #[cfg(feature = "tracing")]
        let aftermath = self.traced(aftermath, change, || book.failure(change.new));
        drop(book);
        let aftermath = match token {
            Some(token) => Some(aftermath.unwrap_or_default().cancelling(token)),
            None => aftermath,
        };
        if let Some(aftermath) = aftermath {
            aftermath.carry_out();
        }
    }

    /// The same aftermath, and the world is told of the change, if it is to hear of it.
    #[cfg(feature = "tracing")]
    fn traced(
        &self,
        aftermath: Option<Aftermath>,
        change: &Change<S>,
        cause: impl FnOnce() -> Option<Failure>,
    ) -> Option<Aftermath> {
        match crate::trace::Event::of(self.name, change, cause) {
            Some(event) => Some(aftermath.unwrap_or_default().telling(event)),
            None => aftermath,
        }
    }

    /// Makes a transition, and lets everybody know whom it concerns.
    pub(crate) fn change(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(), Snapshot<S>> {
        let book = self.book.lock();
        let change = self.word.update(transition)?;
        self.tell(book, &change);
        Ok(())
    }

    /// Makes a transition of which nobody has to hear, without the lock (invariant 8). Declined,
    /// too, where somebody has.
    #[inline]
    fn change_unattended(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(), Snapshot<S>> {
        #[cfg_attr(
            not(feature = "tracing"),
            expect(unused_variables, reason = "for traces")
        )]
        let change = self.word.update(|word| {
            let is_attended = word.is_attended();
            (!is_attended).then(|| transition(word)).flatten()
        })?;
        #[cfg(feature = "tracing")]
        {
            let cause = || change.new.is_cancelled().then(Failure::cancelled);
            let aftermath = self.traced(None, &change, cause);
            aftermath.into_iter().for_each(Aftermath::carry_out);
        }
        Ok(())
    }

    /// Runs `f` on the book, to read in it or to take something out.
    pub(crate) fn with_book<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        f(&mut self.book.lock())
    }

    /// Runs `f`, which may put something into the book, on it and on the word by which that is to
    /// be judged.
    pub(crate) fn attend<T>(&self, f: impl FnOnce(&mut Book, Snapshot<S>) -> T) -> T {
        let mut book = self.book.lock();
        let word = self.attended();
        f(&mut book, word)
    }

    /// From here on nothing happens to the cell without the lock, which the caller holds.
    fn attended(&self) -> Snapshot<S> {
        match self.word.update(Snapshot::attend) {
            Ok(change) => change.new,
            Err(word) => word,
        }
    }

    /// Tells the attempt under way to end, or to stop, if its token is cancelled.
    fn heed_token(&self, book: &Book) -> Option<Change<S>> {
        let is_cancelled = book.tether.as_ref()?.is_cancelled();
        let cancelled = is_cancelled.then(|| self.word.update(Snapshot::cancel));
        cancelled?.ok()
    }

    /// The token of some attempt was cancelled. If it is the one under way, that is told to end
    /// before anybody is woken: this runs inside the cancelling call.
    pub(crate) fn on_cancel(&self) {
        let book = self.book.lock();
        if let Some(change) = self.heed_token(&book) {
            self.tell(book, &change);
        }
    }

    /// An attempt begins, tied to its token by `tether`. Whoever is told that the token is cancelled
    /// has the state to look at again: [`refuse_entry`](Self::refuse_entry).
    #[inline]
    pub(crate) fn begin(
        self: &Arc<Self>,
        from: StartFrom,
        mut tether: Option<Tether>,
    ) -> Result<Number, Declined<S>> {
        let mut book = self.book.lock();
        // Under the lock that the hook takes: whoever cancels from here on finds the attempt.
        if let Some(tether) = &mut tether {
            if !tether.register(&hook(self)) {
                return Err(Declined::Cancelled);
            }
        }
        let change = self.word.update(|word| word.begin(from));
        let change = change.map_err(|word| Declined::NotStartable(word.state()))?;
        book.turn_the_page();
        #[cfg(feature = "testing")]
        if let Some(token) = tether.as_ref().and_then(Tether::own_token) {
            self.attended();
            book.appendix().body_token = Some(token.clone());
        }
        // The former attempt took its own along when it ended.
        book.tether = tether;
        self.tell(book, &change);
        Ok(change.new.number())
    }

    /// A start whose token was cancelled before it began.
    #[inline]
    pub(crate) fn refuse_entry(&self, from: StartFrom) -> Result<(), Declined<S>> {
        let refuse = |word: Snapshot<S>| word.refuse_entry(from);
        if self.change_unattended(refuse).is_ok() {
            return Ok(());
        }
        let mut book = self.book.lock();
        let change = self.word.update(refuse);
        let change = change.map_err(|word| Declined::NotStartable(word.state()))?;
        book.turn_the_page();
        self.tell(book, &change);
        Ok(())
    }

    /// The body of attempt `number` has succeeded: publishes, if nobody told the attempt to end.
    /// The answer is the word that declined it.
    ///
    /// `is_live` asks the token, as far as that can be done without the lock.
    #[inline]
    pub(crate) fn commit(
        &self,
        number: Number,
        is_live: impl FnOnce() -> bool,
    ) -> Result<(), Snapshot<S>> {
        let commit = |word: Snapshot<S>| word.commit(number);
        if is_live() && self.change_unattended(commit).is_ok() {
            return Ok(());
        }
        self.publish(commit)
    }

    /// Publishes by `transition`, if nobody told the attempt to end. The answer is the word that
    /// declined it.
    pub(crate) fn publish(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<(), Snapshot<S>> {
        let mut book = self.book.lock();
        // The second line: should the hook not have run inside `cancel()`, because a foreign waker
        // panicked there or tokio-util has changed, a flag that is up still counts.
        if let Some(change) = self.heed_token(&book) {
            self.tell(book, &change);
            book = self.book.lock();
        }
        let change = self.word.update(transition)?;
        self.tell(book, &change);
        Ok(())
    }

    /// See [`StateCell::request_stop`]. `also` sees the word that comes of it in the same moment.
    pub(crate) fn request_stop<T>(
        &self,
        also: impl FnOnce(&mut Book, Snapshot<S>) -> T,
    ) -> (bool, T) {
        let mut book = self.book.lock();
        self.attended();
        let change = match self.word.update(Snapshot::request_stop) {
            Ok(change) => change,
            Err(word) => return (false, also(&mut book, word)),
        };
        let also = also(&mut book, change.new);
        // Taken under this lock: the attempt may end, and give up its token, once it is released.
        let token = book.own_token().cloned();
        self.cancel_and_tell(token, book, &change);
        (true, also)
    }

    /// Records why the start of attempt `number` failed, if this is the first cause. What is left of
    /// it is still to end; until then an attempt that has not published keeps its token.
    pub(crate) fn record(&self, number: Number, failure: Failure) {
        self.record_and_cancel(Some(number), failure, Snapshot::is_published);
    }

    /// The attempt `number`, or whichever is under way, failed, and is to end: its own token is
    /// cancelled. `true` if this was the first cause.
    pub(crate) fn fail(&self, number: Option<Number>, failure: Failure) -> bool {
        let Some(word) = self.record_and_cancel(number, failure, |_| true) else {
            return false;
        };
        if !word.has_body() {
            // With nothing served either, there is nobody else to say that it has ended.
            self.end(word.number(), Gone::Served, 0);
        }
        true
    }

    /// Records a failure, if it is the first, and cancels the attempt's own token, if the word that
    /// comes of it `cancels`. The answer is that word.
    fn record_and_cancel(
        &self,
        number: Option<Number>,
        failure: Failure,
        cancels: impl FnOnce(Snapshot<S>) -> bool,
    ) -> Option<Snapshot<S>> {
        let mut book = self.book.lock();
        self.attended().fail(number)?;
        book.appendix().failure = Some(failure);
        let change = self.word.update(|word| word.fail(number)).ok()?;
        let token = book.own_token().filter(|_| cancels(change.new)).cloned();
        self.cancel_and_tell(token, book, &change);
        Some(change.new)
    }

    /// Something of attempt `number` is gone: the body, or `served` of its served futures, or
    /// both. If the attempt has failed, its own token is cancelled. The answer is the word that
    /// came of it.
    pub(crate) fn end(&self, number: Number, gone: Gone, served: usize) -> Snapshot<S> {
        let mut book = self.book.lock();
        let word = self.load();
        if word.number() == number && word.has_failed() {
            if let Some(token) = book.own_token().cloned() {
                // G4: the token before `FAILED`.
                drop(book);
                quietly(move || token.cancel());
                book = self.book.lock();
            }
        }
        let word = self.load();
        if word.number() != number {
            return word;
        }
        let nothing_served = book.lose_served(served);
        match self
            .word
            .update(|word| word.end(number, gone, nothing_served))
        {
            Ok(change) => {
                self.tell(book, &change);
                change.new
            }
            Err(word) => word,
        }
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
        self.with_book(|book| book.has_served())
    }

    /// Whether the body of the last attempt saw a token of its own that is not cancelled.
    pub(crate) fn body_token_is_live(&self) -> bool {
        let token = self.with_book(|book| book.body_token());
        token.is_some_and(|token| !token.is_cancelled())
    }

    /// Whether an attempt has ever begun, and not just been refused at entry.
    pub(crate) fn has_begun(&self) -> bool {
        self.load().has_begun()
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
