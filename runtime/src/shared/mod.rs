//! What the handles of a cell share: the state word, and what its lock protects.
//!
//! Every change of the word goes through [`Shared::finish`]: it applies the transition to `Inner`,
//! unlocks, runs the effects, and goes on to the steps that follow from it, up to the end of the
//! attempt.

#[cfg(feature = "tracing")]
mod event;
mod inner;
mod parts;
mod registration;
mod slots;
mod state;
mod waiters;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use futures_task::{ArcWake, waker_ref};

pub(crate) use self::parts::{PartKind, PartsCount, PendingFuture};
pub(crate) use self::state::{AttemptId, EntryError, Phase, Snapshot, StartFrom, is_reserved};
pub(crate) use self::waiters::{WaitFor, WaitResult};

#[cfg(feature = "tracing")]
use self::event::Event;
#[cfg(all(feature = "testing", not(all(test, cancel_guarded_loom))))]
pub(crate) use self::inner::History;
use self::inner::{Effects, Inner};
use self::parts::PartKey;
use self::registration::AttemptToken;
use self::state::{AtomicState, Transition};
use crate::failure::Failure;
use crate::lifecycle::State;
use crate::sync::{AtomicUsize, CancellationToken, Mutex, MutexGuard, Ordering};
use crate::token::GuardToken;
use crate::unwind::{CaughtPanic, drop_waker, ignore_panic};

pub struct Shared<S: State> {
    state: AtomicState<S>,
    /// How many handles there are. The waker that a token holds is not one of them.
    num_handles: AtomicUsize,
    /// Boxed, because most cells have none.
    name: Option<Box<Cow<'static, str>>>,
    inner: Mutex<Inner>,
}

/// Where a part is, and of which attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    attempt: AttemptId,
    key: PartKey,
}

impl Part {
    pub(crate) fn attempt(self) -> AttemptId {
        self.attempt
    }

    pub(crate) fn is_tracked(self) -> bool {
        self.key.is_tracked()
    }
}

/// How a served future failed.
pub(crate) enum PartFailure {
    Failed(Failure),
    /// It was dropped before it could run. While the body exists, its own failure may still turn out to
    /// be the reason.
    DroppedWaiting {
        was_polled: bool,
    },
    /// It was dropped before it had ended.
    Dropped,
}

impl PartFailure {
    fn is_provisional(&self) -> bool {
        matches!(self, Self::DroppedWaiting { .. })
    }

    /// The failure of the part that was made at `place`. Made when it is recorded, because it may need a
    /// text.
    fn at(self, place: &'static Location<'static>) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::DroppedWaiting { was_polled } => Failure::dropped_served(place, was_polled),
            Self::Dropped => Failure::dropped_served(place, true),
        }
    }
}

/// The result of polling a part that has not run yet.
pub(crate) enum PollPart {
    /// The attempt has published: the part runs, with the future that the list kept for it.
    Run(Option<PendingFuture>),
    /// The attempt will not publish.
    Refused,
    /// The future has been dropped, because the attempt was refused or aborted.
    Gone,
    Pending,
}

/// How a body ended.
pub(crate) enum BodyEnd {
    /// The attempt was told to end.
    Refused,
    /// The body itself failed. This wins over a cancellation, and over a served future that was
    /// dropped on the way out.
    Failed(Failure),
    /// The body was dropped before it had ended.
    Dropped(Failure),
    /// A run has succeeded.
    Finished,
}

/// The parts that a refused start may have to wait for.
pub(crate) enum Remaining {
    /// Nothing, or parts that it does not wait for.
    Nothing,
    /// `Send` futures that another thread is dropping.
    BeingDropped,
}

impl<S: State> Shared<S> {
    fn new(name: Option<Cow<'static, str>>) -> Self {
        Self {
            state: AtomicState::new(),
            num_handles: AtomicUsize::new(1),
            name: name.map(Box::new),
            inner: Mutex::new(Inner::default()),
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot<S> {
        self.state.load()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_ref().map(|name| &***name)
    }

    /// [`finish`](Self::finish) for a transition of a start on its way up, which often means nothing
    /// for a waiter, a part, the body's task or a token. Inlined, because every start makes two.
    #[inline]
    fn finish_start<'a>(
        &'a self,
        #[cfg_attr(not(feature = "testing"), expect(unused_mut))] mut inner: MutexGuard<'a, Inner>,
        transition: Transition<S>,
    ) -> Snapshot<S> {
        let word = transition.new;
        if word.may_settle() || word.is_told_to_end() || inner.is_concerned(&transition) {
            return self.finish(inner, transition);
        }
        #[cfg(feature = "testing")]
        inner.count(&transition);
        #[cfg(feature = "tracing")]
        self.unlock_and_report(inner, &transition);
        word
    }

    /// Unlocks, and reports a transition that was applied.
    #[cfg(feature = "tracing")]
    #[expect(
        clippy::inline_always,
        reason = "every start reports twice, and usually nothing listens"
    )]
    #[inline(always)]
    fn unlock_and_report(&self, mut inner: MutexGuard<'_, Inner>, made: &Transition<S>) {
        let reports_failure = inner.report_failure(made.new);
        let cause = || (inner.cause(made.new), inner.failed_place());
        let event = Event::new(made, inner.parts_left(), reports_failure, cause);
        drop(inner);
        if let Some(event) = &event {
            ignore_panic(|| event.emit(self.name()));
        }
    }

    /// Unlocks after a change that left the word as it was, and makes the steps that follow from it.
    fn finish_unchanged<'a>(&'a self, inner: MutexGuard<'a, Inner>) -> Snapshot<S> {
        let word = self.load();
        if !word.may_settle() {
            return word;
        }
        match self.settle(inner) {
            (inner, Ok(settled)) => self.finish(inner, settled),
            (_, Err(word)) => word,
        }
    }

    /// Applies a transition, unlocks, and runs its effects. Then makes the steps that follow from it.
    /// Returns the last word.
    ///
    /// An attempt that was told to end ends here once no part is left. Its own token is cancelled
    /// before, outside of the lock, so the parts are counted again after that.
    #[inline(never)]
    fn finish<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
        mut made: Transition<S>,
    ) -> Snapshot<S> {
        #[cfg(feature = "testing")]
        inner.count(&made);
        loop {
            let mut effects = Effects::default();
            inner.apply(&made, &mut effects);
            let settles = made.new.settle(inner.parts_left()).is_some();
            #[cfg(feature = "tracing")]
            self.unlock_and_report(inner, &made);
            #[cfg(not(feature = "tracing"))]
            drop(inner);
            effects.run();
            if !settles {
                return made.new;
            }
            match self.settle(self.inner.lock()) {
                (settled, Ok(next)) => (inner, made) = (settled, next),
                (_, Err(word)) => return word,
            }
        }
    }

    /// Makes the next step that follows from what is left of the attempt.
    fn settle<'a>(
        &'a self,
        mut inner: MutexGuard<'a, Inner>,
    ) -> (MutexGuard<'a, Inner>, Result<Transition<S>, Snapshot<S>>) {
        if let (true, Some(own)) = (self.load().is_told_to_end(), inner.token.live_own()) {
            // Another thread told the attempt to end and has not come to this yet.
            let own = own.clone();
            drop(inner);
            ignore_panic(|| own.cancel());
            inner = self.inner.lock();
        }
        let settled = self.state.update(|word| word.settle(inner.parts_left()));
        (inner, settled)
    }

    /// Makes a transition. The error is the word that did not allow it.
    pub(crate) fn change(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<Snapshot<S>, Snapshot<S>> {
        let inner = self.inner.lock();
        let transition = self.state.update(transition)?;
        Ok(self.finish(inner, transition))
    }

    /// Locks, and tells the attempt under way to end if its token is cancelled.
    ///
    /// The flag of a token is set before its waiters are woken, and the wake may not come at all: if a
    /// foreign waker panics inside of `cancel()`, or if tokio-util changes. So a cancelled token counts
    /// before the attempt publishes, fails or ends.
    #[inline]
    fn lock_and_check_token(&self) -> MutexGuard<'_, Inner> {
        let inner = self.inner.lock();
        if inner.token.is_cancelled() {
            if let Ok(cancelled) = self.state.update(Snapshot::cancel) {
                self.finish(inner, cancelled);
                return self.inner.lock();
            }
        }
        inner
    }

    /// Makes a transition that publishes.
    #[inline]
    pub(crate) fn publish(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<Snapshot<S>, Snapshot<S>> {
        let inner = self.lock_and_check_token();
        let transition = self.state.update(transition)?;
        Ok(self.finish_start(inner, transition))
    }

    /// The token of some attempt was cancelled.
    fn on_cancel(&self) {
        let inner = self.inner.lock();
        if inner.token.is_cancelled() {
            if let Ok(transition) = self.state.update(Snapshot::cancel) {
                self.finish(inner, transition);
            }
        }
    }

    /// An attempt begins. If the token turns out to be cancelled, the caller calls
    /// [`reject_entry`](Self::reject_entry) when it has dropped the body.
    pub(crate) fn begin(
        self: &Arc<Self>,
        token: GuardToken,
        from: StartFrom,
    ) -> Result<AttemptId, EntryError<S>> {
        self.load().check_entry(from)?;
        let mut token = AttemptToken::new(token);
        let mut inner = self.inner.lock();
        // A wake that comes from here on waits for the lock, and then finds the attempt.
        if !token.register(&waker_ref(self)) {
            return Err(EntryError::Cancelled);
        }
        let begun = self.state.update(|word| word.begin(from));
        let begun = begun.map_err(|word| word.entry_error(from))?;
        let id = begun.new.attempt();
        inner.reset(token);
        self.finish_start(inner, begun);
        Ok(id)
    }

    /// A start whose token was cancelled before it began.
    pub(crate) fn reject_entry(&self, from: StartFrom) -> Result<(), EntryError<S>> {
        let mut inner = self.inner.lock();
        let rejected = self.state.update(|word| word.reject_entry(from));
        let rejected = rejected.map_err(|word| word.entry_error(from))?;
        inner.forget_failure();
        self.finish(inner, rejected);
        Ok(())
    }

    /// Records `failure` and fails the cell, or attempt `id` of it, unless it has failed already.
    pub(crate) fn fail(&self, id: Option<AttemptId>, failure: Failure) -> bool {
        let inner = self.lock_and_check_token();
        self.fail_with(inner, id, None, false, || failure)
    }

    /// As [`fail`](Self::fail), for the attempt of `part`. A part that is gone fails nothing.
    pub(crate) fn fail_part(&self, part: Part, failure: PartFailure) {
        let mut inner = self.lock_and_check_token();
        let Some(place) = inner.parts().and_then(|parts| parts.place(part.key)) else {
            return;
        };
        let is_provisional = failure.is_provisional();
        let id = Some(part.attempt);
        self.fail_with(inner, id, Some(place), is_provisional, || failure.at(place));
    }

    fn fail_with(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        id: Option<AttemptId>,
        place: Option<&'static Location<'static>>,
        is_provisional: bool,
        failure: impl FnOnce() -> Failure,
    ) -> bool {
        let word = self.load();
        let Ok(failed) = self.state.update(|word| word.fail(id)) else {
            return false;
        };
        let failure = failure().told_to_end(!word.is_idle() && word.is_told_to_end());
        inner.record_failure(failure, is_provisional, place);
        self.finish(inner, failed);
        true
    }

    /// The body of attempt `id` is gone. If the attempt never published, the futures that wait for
    /// that are dropped, and then it ends unless other parts are left.
    pub(crate) fn release_body(
        &self,
        id: AttemptId,
        end: BodyEnd,
        panics: &mut CaughtPanic,
    ) -> Remaining {
        let mut inner = self.lock_and_check_token();
        let word = self.load();
        let has_cause = word.has_failure() || word.must_abort();
        let released = match end {
            BodyEnd::Finished => self.state.update(|word| word.run_finished(id)),
            BodyEnd::Failed(failure) | BodyEnd::Dropped(failure) if !has_cause => {
                let failure = failure.told_to_end(word.is_told_to_end());
                self.record_body_failure(&mut inner, id, failure)
            }
            BodyEnd::Failed(failure) if !word.has_failure() => {
                self.record_body_failure(&mut inner, id, failure.told_to_end(true))
            }
            BodyEnd::Failed(failure) | BodyEnd::Dropped(failure)
                if inner.provisional_failure().is_some() =>
            {
                let replaced = inner.provisional_failure();
                let told_to_end = replaced.is_some_and(Failure::was_told_to_end);
                self.record_body_failure(&mut inner, id, failure.told_to_end(told_to_end))
            }
            BodyEnd::Refused | BodyEnd::Failed(_) | BodyEnd::Dropped(_) => {
                self.state.update(|word| word.body_refused(id))
            }
        };
        let Ok(released) = released else {
            return Remaining::Nothing;
        };
        let pending = match inner.parts() {
            Some(parts) if !released.new.is_published() => parts.take_all_pending(),
            _ => Vec::new(),
        };
        let mut word = self.finish(inner, released);
        if !pending.is_empty() {
            word = self.drop_pending(id, pending, panics);
        }
        let is_waiting = word.attempt() == id && word.phase() == Phase::Starting;
        if is_waiting && self.inner.lock().are_parts_being_dropped() {
            Remaining::BeingDropped
        } else {
            Remaining::Nothing
        }
    }

    fn record_body_failure(
        &self,
        inner: &mut Inner,
        id: AttemptId,
        failure: Failure,
    ) -> Result<Transition<S>, Snapshot<S>> {
        let failed = self.state.update(|word| word.body_failed(id))?;
        inner.record_failure(failure, false, None);
        Ok(failed)
    }

    /// Drops futures that were not polled, and removes their parts.
    fn drop_pending(
        &self,
        id: AttemptId,
        pending: Vec<(PartKey, PendingFuture)>,
        panics: &mut CaughtPanic,
    ) -> Snapshot<S> {
        let mut keys = Vec::with_capacity(pending.len());
        for (key, future) in pending {
            keys.push(key);
            panics.catch(|| drop(future));
        }
        let mut effects = Effects::default();
        let mut inner = self.inner.lock();
        if self.load().attempt() == id {
            if let Some(parts) = inner.parts() {
                let parts = keys.into_iter().filter_map(|key| parts.remove(key));
                let tasks = parts.filter_map(parts::Part::into_task);
                tasks.for_each(|task| effects.wake(task));
            }
        }
        let word = self.finish_unchanged(inner);
        effects.run();
        word
    }

    /// Asks the service to stop, and calls `bind` with the word before that, under the same lock.
    pub(crate) fn request_stop<T>(
        &self,
        bind: impl FnOnce(&mut Binding<'_>, Snapshot<S>) -> T,
    ) -> (bool, T) {
        let mut inner = self.inner.lock();
        let word = self.load();
        let bound = bind(&mut Binding(&mut inner), word);
        let requested = self.state.update(Snapshot::request_stop);
        let first = requested.is_ok() && !word.stop_requested();
        match requested {
            Ok(requested) => self.finish(inner, requested),
            Err(_) => self.finish_unchanged(inner),
        };
        (first, bound)
    }

    /// Asks the service to stop, and drops its futures at their next poll. Those that were not
    /// polled are dropped here. With `id`, only if that attempt is under way.
    pub(crate) fn abort(&self, id: Option<AttemptId>) {
        let mut inner = self.inner.lock();
        let word = self.load();
        if id.is_some_and(|id| id != word.attempt() || word.is_idle()) {
            return;
        }
        let Ok(aborted) = self.state.update(Snapshot::abort) else {
            return;
        };
        let word = aborted.new;
        let pending = match inner.parts() {
            Some(parts) if word.is_aborted() => parts.take_all_pending(),
            _ => Vec::new(),
        };
        self.finish(inner, aborted);
        if !pending.is_empty() {
            let id = word.attempt();
            self.fail(Some(id), Failure::aborted());
            let mut panics = CaughtPanic::default();
            self.drop_pending(id, pending, &mut panics);
            panics.resume();
        }
    }

    /// A part joins the attempt under way, if that accepts one. Otherwise the future comes back,
    /// with the word that did not.
    #[track_caller]
    pub(crate) fn join(
        &self,
        kind: PartKind,
        pending: Option<PendingFuture>,
    ) -> Result<Part, (Snapshot<S>, Option<PendingFuture>)> {
        let mut inner = self.inner.lock();
        let word = self.load();
        let accepts = match kind {
            PartKind::Served | PartKind::Local | PartKind::Guard => word.accepts_serving(),
            PartKind::Tracked => word.accepts_tracked(),
        };
        if !accepts {
            return Err((word, pending));
        }
        let key = inner.add_part(kind, Location::caller(), pending);
        Ok(Part {
            attempt: word.attempt(),
            key,
        })
    }

    /// Polls a part that has not run yet. Its task is woken when the result changes.
    pub(crate) fn poll_part(&self, part: Part, waker: &Waker) -> PollPart {
        // Cloned and dropped outside of the lock.
        let mut task = Some(waker.clone());
        let mut inner = self.inner.lock();
        let word = self.load();
        let parts = inner.parts().filter(|_| word.attempt() == part.attempt);
        let Some(parts) = parts else {
            drop(inner);
            drop_waker(task);
            return PollPart::Gone;
        };
        let poll = if !parts.swap_task(part.key, &mut task) {
            PollPart::Gone
        } else if word.is_aborted() || word.is_told_to_end() && !word.is_published() {
            PollPart::Refused
        } else if word.is_published() {
            PollPart::Run(parts.take_pending(part.key))
        } else {
            PollPart::Pending
        };
        drop(inner);
        drop_waker(task);
        poll
    }

    /// The task of a running part has another waker.
    pub(crate) fn set_part_task(&self, part: Part, waker: Waker) {
        let mut task = Some(waker);
        let mut inner = self.inner.lock();
        let is_of_attempt = self.load().attempt() == part.attempt;
        if let Some(parts) = inner.parts().filter(|_| is_of_attempt) {
            parts.swap_task(part.key, &mut task);
        }
        drop(inner);
        drop_waker(task);
    }

    /// Takes the future of a part that has not been polled, unless another thread has.
    pub(crate) fn take_pending(&self, part: Part) -> Option<PendingFuture> {
        let mut inner = self.inner.lock();
        let is_of_attempt = self.load().attempt() == part.attempt;
        let parts = inner.parts().filter(|_| is_of_attempt)?;
        parts.take_pending(part.key)
    }

    /// A part is gone. If it was the last that serves, the service is over.
    pub(crate) fn release_part(&self, part: Part) {
        let mut inner = self.inner.lock();
        if self.load().attempt() != part.attempt {
            return;
        }
        let removed = inner.parts().and_then(|parts| parts.remove(part.key));
        if removed.is_none() {
            return;
        }
        let ends_serving = !part.is_tracked() && inner.parts_left().serving == 0;
        let ended = if ends_serving {
            self.state.update(Snapshot::serving_ended).ok()
        } else {
            None
        };
        match ended {
            Some(ended) => self.finish(inner, ended),
            None => self.finish_unchanged(inner),
        };
        drop_waker(removed.and_then(parts::Part::into_task));
    }

    /// The task that polls the body of the attempt under way.
    pub(crate) fn set_body_task(&self, waker: Waker) {
        let unused = self.inner.lock().set_body_task(waker);
        drop_waker(unused);
    }

    /// The own token of the attempt under way, or of attempt `id` if that is. Once that was told to
    /// end, the token is cancelled.
    pub(crate) fn own_token(self: &Arc<Self>, id: Option<AttemptId>) -> Option<CancellationToken> {
        let mut inner = self.inner.lock();
        let word = self.load();
        if word.is_idle() || id.is_some_and(|id| id != word.attempt()) {
            return None;
        }
        let (own, replaced) = inner.own_token(&waker_ref(self));
        drop(inner);
        drop(replaced);
        if word.is_told_to_end() {
            ignore_panic(|| own.cancel());
        }
        Some(own)
    }

    /// Why the last attempt failed, as far as that can no longer change.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let inner = self.inner.lock();
        inner.failure(self.load())
    }

    /// Why the attempt under way fails, as far as is known.
    pub(crate) fn cause(&self) -> Option<Failure> {
        let inner = self.inner.lock();
        inner.cause(self.load())
    }

    /// The parts that are left, and the word that they belong to.
    pub(crate) fn count_parts(&self) -> (Snapshot<S>, PartsCount) {
        let inner = self.inner.lock();
        (self.load(), inner.count_parts())
    }

    /// The places where the parts that are left were made.
    pub(crate) fn part_places(&self) -> BTreeMap<String, usize> {
        self.inner.lock().part_places()
    }

    /// Calls `bind` with the current word, under the lock.
    pub(crate) fn bind<T>(&self, bind: impl FnOnce(&mut Binding<'_>, Snapshot<S>) -> T) -> T {
        let mut inner = self.inner.lock();
        let word = self.load();
        bind(&mut Binding(&mut inner), word)
    }

    pub(crate) fn poll_waiter(&self, key: usize, waker: &Waker) -> Option<WaitResult> {
        // Cloned and dropped outside of the lock.
        let mut task = Some(waker.clone());
        let result = self.inner.lock().poll_waiter(key, &mut task);
        drop_waker(task);
        result
    }

    pub(crate) fn remove_waiter(&self, key: usize) {
        let task = self.inner.lock().remove_waiter(key);
        drop_waker(task);
    }
}

/// The lock, for a waiter that decides what it waits for.
pub(crate) struct Binding<'a>(&'a mut Inner);

impl Binding<'_> {
    pub(crate) fn failure<S: State>(&self, word: Snapshot<S>) -> Option<Failure> {
        self.0.failure(word)
    }

    pub(crate) fn add_waiter(&mut self, wait_for: WaitFor) -> usize {
        self.0.add_waiter(wait_for)
    }
}

/// The waker that the token of an attempt wakes.
impl<S: State> ArcWake for Shared<S> {
    fn wake_by_ref(shared: &Arc<Self>) {
        shared.on_cancel();
    }
}

/// For [`sweep`](crate::testing::sweep).
#[cfg(all(feature = "testing", not(all(test, cancel_guarded_loom))))]
impl<S: State> Shared<S> {
    /// How many attempts have begun and published so far.
    pub(crate) fn history(&self) -> History {
        self.inner.lock().history()
    }

    /// How many handles to the cell there are.
    pub(crate) fn num_handles(&self) -> usize {
        self.num_handles.load(Ordering::Acquire)
    }
}

/// A handle to a cell. The last one that is dropped unties the cell from its tokens.
#[derive(Debug)]
pub struct Handle<S: State>(Arc<Shared<S>>);

impl<S: State> Handle<S> {
    pub(crate) fn new(name: Option<Cow<'static, str>>) -> Self {
        Self(Arc::new(Shared::new(name)))
    }
}

impl<S: State> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<S: State> Deref for Handle<S> {
    type Target = Arc<Shared<S>>;

    fn deref(&self) -> &Arc<Shared<S>> {
        &self.0
    }
}

impl<S: State> Clone for Handle<S> {
    fn clone(&self) -> Self {
        // Relaxed, as in `Arc`: a new handle is made from an existing one.
        self.0.num_handles.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<S: State> Drop for Handle<S> {
    /// The registration on a token keeps the cell alive. Without a handle, no one can see what a
    /// cancellation does.
    fn drop(&mut self) {
        // AcqRel, as in `Arc`: what was done through other handles happens before.
        if self.0.num_handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let registration = self.0.inner.lock().token.take_registration();
            drop(registration);
        }
    }
}
