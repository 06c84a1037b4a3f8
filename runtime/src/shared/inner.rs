//! What the cell's lock protects, and what a transition means for it.
//!
//! A transition of the state word is made and applied here under one lock, so word and `Inner`
//! always speak of the same attempt. No user code runs under the lock, except `index` and `name` of
//! a [`State`]: what has to be woken, cancelled or dropped leaves as [`Effects`]. Tokens may be
//! asked, cloned, registered with and made under the lock, because `cancel()` holds none of
//! tokio-util's locks while it wakes the cell, which then takes this one.

use std::collections::BTreeMap;
use std::panic::Location;
use std::task::Waker;

use super::parts::{PartKey, PartKind, Parts, PartsCount, PendingFuture, Wanted};
use super::registration::{AttemptToken, CancelRegistration};
#[cfg(feature = "tracing")]
use super::state::Phase;
use super::state::{PartsLeft, Snapshot, Transition};
use super::waiters::{WaitFor, WaitResult, Waiters};
use crate::failure::Failure;
use crate::lifecycle::State;
use crate::sync::CancellationToken;
use crate::unwind::{drop_waker, ignore_panic};

#[derive(Default)]
pub(crate) struct Inner {
    /// The task that polls the body, woken when the body must be dropped.
    body_task: Option<Waker>,
    pub(crate) token: AttemptToken,
    /// The lists that many cells never need.
    lists: Option<Box<Lists>>,
    #[cfg(feature = "testing")]
    history: History,
}

#[derive(Default)]
struct Lists {
    failure: Option<RecordedFailure>,
    parts: Parts,
    waiters: Waiters,
}

/// The counts of a cell since it was made.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Default)]
pub(crate) struct History {
    /// Attempts that have begun. A start that was refused at entry is none.
    pub(crate) begun: usize,
    /// Attempts that have published.
    pub(crate) published: usize,
}

impl Lists {
    fn is_concerned<S: State>(&self, transition: &Transition<S>) -> bool {
        if transition.publishes() {
            !self.waiters.is_empty() || !self.parts.is_empty()
        } else {
            transition.changes_state() && self.waiters.wait_for_a_change()
        }
    }
}

/// Why the last attempt failed, unless it was `CANCELLED`: the word says that.
struct RecordedFailure {
    failure: Failure,
    /// A served future was dropped unpolled. While the body exists, its own failure may still turn
    /// out to be the reason.
    is_provisional: bool,
    /// Where the part was made that has failed.
    #[cfg(feature = "tracing")]
    place: Option<&'static Location<'static>>,
    #[cfg(feature = "tracing")]
    is_reported: bool,
}

impl Inner {
    fn lists(&mut self) -> &mut Lists {
        self.lists.get_or_insert_default()
    }

    /// A new attempt begins. The former one left neither token nor parts.
    #[inline]
    pub(crate) fn reset(&mut self, token: AttemptToken) {
        self.token = token;
        self.forget_failure();
    }

    /// The failure of the former attempt is not that of the next.
    #[inline]
    pub(crate) fn forget_failure(&mut self) {
        if let Some(lists) = &mut self.lists {
            lists.failure = None;
        }
    }

    /// Records why the attempt fails, and where the part was made that has failed. The caller makes the
    /// transition.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables))]
    pub(crate) fn record_failure(
        &mut self,
        failure: Failure,
        is_provisional: bool,
        place: Option<&'static Location<'static>>,
    ) {
        self.lists().failure = Some(RecordedFailure {
            failure,
            is_provisional,
            #[cfg(feature = "tracing")]
            place,
            #[cfg(feature = "tracing")]
            is_reported: false,
        });
    }

    /// The recorded failure, if a failure of the body replaces it.
    pub(crate) fn provisional_failure(&self) -> Option<&Failure> {
        let recorded = self.recorded()?;
        recorded.is_provisional.then_some(&recorded.failure)
    }

    fn recorded(&self) -> Option<&RecordedFailure> {
        self.lists.as_ref()?.failure.as_ref()
    }

    /// Whether the failure is reported with this word: once, when no other cause can replace it.
    #[cfg(feature = "tracing")]
    #[inline]
    pub(crate) fn report_failure<S: State>(&mut self, word: Snapshot<S>) -> bool {
        let is_due = word.has_failure() && word.phase() != Phase::Starting;
        let lists = self.lists.as_mut().filter(|_| is_due);
        let recorded = lists.and_then(|lists| lists.failure.as_mut());
        let is_final =
            |recorded: &&mut RecordedFailure| !recorded.is_provisional || !word.has_body();
        let recorded = recorded.filter(is_final);
        recorded.is_some_and(|recorded| !std::mem::replace(&mut recorded.is_reported, true))
    }

    /// Where the part was made that has failed.
    #[cfg(feature = "tracing")]
    pub(crate) fn failed_place(&self) -> Option<&'static Location<'static>> {
        self.recorded()?.place
    }

    /// Why the attempt of `word` fails, as far as is known.
    pub(crate) fn cause<S: State>(&self, word: Snapshot<S>) -> Option<Failure> {
        if word.has_failure() {
            self.recorded().map(|recorded| recorded.failure.clone())
        } else {
            word.is_cancelled().then(Failure::cancelled)
        }
    }

    /// The same, if no other cause can replace it any more.
    pub(crate) fn failure<S: State>(&self, word: Snapshot<S>) -> Option<Failure> {
        let is_recorded = word.has_failure() && self.provisional_failure().is_none();
        let is_final = !word.has_body() || is_recorded;
        is_final.then(|| self.cause(word)).flatten()
    }

    #[inline]
    pub(crate) fn parts_left(&self) -> PartsLeft {
        let lists = self.lists.as_ref();
        lists.map_or(PartsLeft::default(), |lists| lists.parts.left())
    }

    pub(crate) fn count_parts(&self) -> PartsCount {
        let lists = self.lists.as_ref();
        lists.map_or(PartsCount::default(), |lists| lists.parts.count())
    }

    #[inline]
    pub(crate) fn add_part(
        &mut self,
        kind: PartKind,
        place: &'static Location<'static>,
        pending: Option<PendingFuture>,
    ) -> PartKey {
        self.lists().parts.add(kind, place, pending)
    }

    pub(crate) fn part_places(&self) -> BTreeMap<String, usize> {
        let lists = self.lists.as_ref();
        lists.map_or_else(BTreeMap::new, |lists| lists.parts.places())
    }

    /// The parts of the attempt, if it ever had one.
    #[inline]
    pub(crate) fn parts(&mut self) -> Option<&mut Parts> {
        self.lists.as_mut().map(|lists| &mut lists.parts)
    }

    pub(crate) fn are_parts_being_dropped(&self) -> bool {
        let lists = self.lists.as_ref();
        lists.is_none_or(|lists| lists.parts.are_being_dropped())
    }

    #[inline]
    pub(crate) fn add_waiter(&mut self, wait_for: WaitFor) -> usize {
        self.lists().waiters.add(wait_for)
    }

    #[inline]
    pub(crate) fn poll_waiter(
        &mut self,
        key: usize,
        task: &mut Option<Waker>,
    ) -> Option<WaitResult> {
        self.lists.as_mut()?.waiters.poll(key, task)
    }

    #[inline]
    pub(crate) fn remove_waiter(&mut self, key: usize) -> Option<Waker> {
        self.lists.as_mut()?.waiters.remove(key)
    }

    /// The attempt's own token, made if there is none. Drop the registration after unlock.
    #[inline]
    pub(crate) fn own_token(
        &mut self,
        waker: &Waker,
    ) -> (CancellationToken, Option<CancelRegistration>) {
        match self.token.own() {
            Some(own) => (own.clone(), None),
            None => self.token.make_own(waker),
        }
    }

    /// Stores the waker of the body's task. Returns the one before it, to be dropped after unlock.
    pub(crate) fn set_body_task(&mut self, waker: Waker) -> Option<Waker> {
        self.body_task.replace(waker)
    }

    /// Counts a transition.
    #[cfg(feature = "testing")]
    pub(crate) fn count<S: State>(&mut self, transition: &Transition<S>) {
        self.history.begun += usize::from(transition.begins());
        self.history.published += usize::from(transition.publishes());
    }

    /// The counts of the cell.
    #[cfg(all(feature = "testing", not(all(test, cancel_guarded_loom))))]
    pub(crate) fn history(&self) -> History {
        self.history
    }

    /// Whether a transition that tells no one to end means anything for a waiter, a part or the body's
    /// task.
    #[inline]
    pub(crate) fn is_concerned<S: State>(&self, transition: &Transition<S>) -> bool {
        let lists = self.lists.as_ref();
        self.body_task.is_some() || lists.is_some_and(|lists| lists.is_concerned(transition))
    }

    /// Applies a transition: the one place that knows what it means for waiters, parts and the token.
    #[inline]
    pub(crate) fn apply<S: State>(&mut self, transition: &Transition<S>, effects: &mut Effects) {
        let (tells, ends) = (transition.tells_to_end(), transition.ends_attempt());
        // A stop that finds the attempt told to end may be faster than who told it.
        if tells || transition.requests_stop() {
            if let Some(own) = self.token.live_own() {
                let own = own.clone();
                // Dropped before the token is cancelled, which would wake this very cell.
                let registration = self.token.take_registration();
                effects.cancel = Some((own, registration));
            }
        }
        if ends {
            effects.ended = Some(std::mem::take(&mut self.token));
        }
        if transition.ends_body() {
            effects.unused = self.body_task.take();
        } else if tells && transition.new.must_abort() || transition.aborts() {
            effects.task = self.body_task.take();
        }
        if self.lists.is_some() {
            self.apply_to_lists(transition, effects);
        }
    }

    /// Wakes the parts and the waiters that a transition concerns.
    fn apply_to_lists<S: State>(&mut self, transition: &Transition<S>, effects: &mut Effects) {
        let (tells, publishes) = (transition.tells_to_end(), transition.publishes());
        let parts = &mut self.lists().parts;
        if publishes || transition.aborts() {
            parts.take_tasks(Wanted::All, |task| effects.wake(task));
        } else if tells && !transition.new.is_published() {
            parts.take_tasks(Wanted::Local, |task| effects.wake(task));
        }
        let is_awaited = tells
            || publishes
            || transition.ends_attempt()
            || transition.changes_state()
            || transition.requests_stop();
        if is_awaited && !self.lists().waiters.is_empty() {
            let failure = self.failure(transition.new);
            let waiters = &mut self.lists().waiters;
            waiters.resolve(transition, failure.as_ref(), |task| effects.wake(task));
        }
    }
}

/// The work that a transition leaves for after unlock.
#[derive(Default)]
#[must_use = "no task is woken, and no token cancelled, until the effects are run"]
pub(crate) struct Effects {
    /// The attempt's own token, and the registration on it.
    cancel: Option<(CancellationToken, Option<CancelRegistration>)>,
    /// The first task to wake. Most transitions wake no more than this one.
    task: Option<Waker>,
    more_tasks: Vec<Waker>,
    /// Dropped, not woken.
    unused: Option<Waker>,
    /// The token of an attempt that has ended.
    ended: Option<AttemptToken>,
}

impl Effects {
    #[inline]
    pub(crate) fn wake(&mut self, task: Waker) {
        match self.task {
            None => self.task = Some(task),
            Some(_) => self.more_tasks.push(task),
        }
    }

    /// Cancels, wakes and drops. After a panic the other tasks are still woken, and the panic does not
    /// leave: this may run inside of a user's `cancel()` or `drop`.
    #[inline]
    pub(crate) fn run(self) {
        let Self {
            cancel,
            task,
            more_tasks,
            unused,
            ended,
        } = self;
        if let Some((token, registration)) = cancel {
            drop(registration);
            ignore_panic(|| token.cancel());
        }
        if let Some(task) = task {
            ignore_panic(|| task.wake());
        }
        // Nearly always empty, and an iterator costs more than the check.
        if !more_tasks.is_empty() {
            let wake = |task: Waker| ignore_panic(|| task.wake());
            more_tasks.into_iter().for_each(wake);
        }
        drop_waker(unused);
        drop(ended);
    }
}
