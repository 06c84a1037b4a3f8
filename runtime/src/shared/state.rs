//! The state word: everything that decides what a cell may do next, in one atomic.
//!
//! ```text
//! bits 0..8    the state that readers see, as State::index
//!      8..11   the phase: the role that the cell is in (an own step keeps the phase)
//!      11      BODY              the body of the attempt exists
//!      12      RUN               the body is the service: it runs until the service is over
//!      13      PUBLISHED         the attempt has been RUNNING
//!      14      CANCELLED         the attempt was told to end before it had published
//!      15      FAILURE_RECORDED  Inner holds the cause of a failure
//!      16      SHIELDED          the body is in a part that must not be interrupted
//!      17      ABORTED           futures of the attempt are dropped at their next poll
//!      18      SERVING_ENDED     the last serving part has ended without a failure
//!      19      STOP_REQUESTED    no attempt begins until the cell is rearmed
//!      20..64  the id of the attempt
//! ```
//!
//! # Invariants
//!
//! 1. The word changes only in [`AtomicState::update`], by compare-and-swap, while the caller holds
//!    the cell's lock. Readers load it without the lock.
//! 2. The id grows by one when an attempt begins, and when an idle cell goes to `Stopped` or
//!    `Failed` without one. A transition made for attempt *n* applies only while the word carries *n*.
//! 3. `BODY` is set by [`begin`](Snapshot::begin) and cleared by [`commit`](Snapshot::commit) or at
//!    the end of the body. While it is set and `PUBLISHED` is not, only the attempt moves the phase.
//! 4. `PUBLISHED` is set only in phase `Starting`, and only if neither `CANCELLED` nor
//!    `FAILURE_RECORDED` is set. In `Initial` and `Running`, neither is set.
//! 5. Within one attempt, phases only grow, so `Running` never follows `Stopping`.
//! 6. `Stopped` and `Failed` are entered only if the attempt has no body and no parts, or if there
//!    was no attempt.
//! 7. `FAILURE_RECORDED` is set under the lock under which `Inner` received the cause.
//! 8. `STOP_REQUESTED` survives the attempt. Only [`rearm`](Snapshot::rearm) clears it.

use std::fmt;
use std::marker::PhantomData;

use crate::lifecycle::State;
use crate::sync::{AtomicU64, Ordering};

const STATE: u64 = 0xff;
const PHASE_SHIFT: u32 = 8;
const PHASE: u64 = 0b111 << PHASE_SHIFT;
const BODY: u64 = 1 << 11;
const RUN: u64 = 1 << 12;
const PUBLISHED: u64 = 1 << 13;
const CANCELLED: u64 = 1 << 14;
const FAILURE_RECORDED: u64 = 1 << 15;
const SHIELDED: u64 = 1 << 16;
const ABORTED: u64 = 1 << 17;
const SERVING_ENDED: u64 = 1 << 18;
const STOP_REQUESTED: u64 = 1 << 19;
const ID_SHIFT: u32 = 20;

/// The id of an attempt. The first is 1, and 2⁴⁴ of them fit.
pub(crate) type AttemptId = u64;

/// The role that a cell is in, whatever its states are called. Ordered as in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Initial,
    Starting,
    Running,
    Stopping,
    Stopped,
    Failed,
}

impl Phase {
    /// The phase, where it is in the word.
    const fn bits(self) -> u64 {
        (self as u64) << PHASE_SHIFT
    }
}

/// The states from which a start may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartFrom {
    /// `INITIAL` only: one cell, one life.
    Initial,
    /// `INITIAL`, `STOPPED` and `FAILED`.
    Idle,
}

/// Why an attempt did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryError<S> {
    Cancelled,
    NotStartable(S),
    StopRequested,
}

/// The state word at one moment.
pub(crate) struct Snapshot<S> {
    bits: u64,
    states: PhantomData<fn() -> S>,
}

impl<S> Clone for Snapshot<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Snapshot<S> {}

/// Predicates.
impl<S: State> Snapshot<S> {
    fn from_bits(bits: u64) -> Self {
        Self {
            bits,
            states: PhantomData,
        }
    }

    pub(crate) fn state(self) -> S {
        let index = (self.bits & STATE) as usize;
        // Out of range only if a `State` written by hand contradicts its own `VARIANTS`.
        S::VARIANTS.get(index).copied().unwrap_or(S::FAILED)
    }

    pub(crate) fn is_state(self, state: S) -> bool {
        self.bits & STATE == u64::from(state.index())
    }

    pub(crate) fn phase(self) -> Phase {
        match (self.bits & PHASE) >> PHASE_SHIFT {
            0 => Phase::Initial,
            1 => Phase::Starting,
            2 => Phase::Running,
            3 => Phase::Stopping,
            4 => Phase::Stopped,
            _ => Phase::Failed,
        }
    }

    pub(crate) fn attempt(self) -> AttemptId {
        self.bits >> ID_SHIFT
    }

    fn has(self, flag: u64) -> bool {
        self.bits & flag != 0
    }

    pub(crate) fn has_body(self) -> bool {
        self.has(BODY)
    }

    pub(crate) fn is_run(self) -> bool {
        self.has(RUN)
    }

    pub(crate) fn is_published(self) -> bool {
        self.has(PUBLISHED)
    }

    pub(crate) fn is_cancelled(self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn has_failure(self) -> bool {
        self.has(FAILURE_RECORDED)
    }

    pub(crate) fn is_shielded(self) -> bool {
        self.has(SHIELDED)
    }

    pub(crate) fn is_aborted(self) -> bool {
        self.has(ABORTED)
    }

    pub(crate) fn stop_requested(self) -> bool {
        self.has(STOP_REQUESTED)
    }

    /// Compares the bits, which costs less than to decode the phase.
    fn is_in(self, phase: Phase) -> bool {
        self.bits & PHASE == phase.bits()
    }

    fn is_at_least(self, phase: Phase) -> bool {
        self.bits & PHASE >= phase.bits()
    }

    /// No attempt is under way.
    pub(crate) fn is_idle(self) -> bool {
        self.is_in(Phase::Initial) || self.is_at_least(Phase::Stopped)
    }

    /// The attempt has not published, and must not publish any more.
    pub(crate) fn must_abort(self) -> bool {
        self.has(CANCELLED | FAILURE_RECORDED) && self.is_in(Phase::Starting)
    }

    /// The attempt has to come to its end, or has ended.
    pub(crate) fn is_told_to_end(self) -> bool {
        // By invariant 4, a word with one of these flags has been told to end in every phase.
        self.has(CANCELLED | FAILURE_RECORDED) || self.is_at_least(Phase::Stopping)
    }

    /// The body has to be dropped where it waits.
    ///
    /// Called at every await. In the usual case it tests three bits at once.
    #[inline]
    pub(crate) fn should_interrupt(self) -> bool {
        #[cold]
        fn with_a_cause<S: State>(word: Snapshot<S>) -> bool {
            (word.must_abort() || word.is_aborted()) && !word.is_shielded()
        }
        self.has(CANCELLED | FAILURE_RECORDED | ABORTED) && with_a_cause(self)
    }

    /// Reads `RUNNING`.
    pub(crate) fn is_running(self) -> bool {
        self.is_in(Phase::Running) && self.is_state(S::RUNNING)
    }

    /// A part that serves may join the attempt.
    pub(crate) fn accepts_serving(self) -> bool {
        !self.is_idle() && !self.is_told_to_end()
    }

    /// A tracked part may join the attempt: also while the service drains.
    pub(crate) fn accepts_tracked(self) -> bool {
        let drains = self.is_in(Phase::Stopping) && self.is_published();
        (self.accepts_serving() || drains) && !self.is_aborted()
    }

    /// Whether a start may begin, its token aside.
    pub(crate) fn check_entry(self, from: StartFrom) -> Result<(), EntryError<S>> {
        let startable = match self.phase() {
            Phase::Initial => true,
            Phase::Stopped | Phase::Failed => from == StartFrom::Idle,
            Phase::Starting | Phase::Running | Phase::Stopping => false,
        };
        if !startable {
            Err(EntryError::NotStartable(self.state()))
        } else if self.stop_requested() {
            Err(EntryError::StopRequested)
        } else {
            Ok(())
        }
    }

    /// Why a start did not begin from this word.
    #[cold]
    pub(crate) fn entry_error(self, from: StartFrom) -> EntryError<S> {
        let error = self.check_entry(from).err();
        error.unwrap_or_else(|| EntryError::NotStartable(self.state()))
    }
}

/// Building the next word.
impl<S: State> Snapshot<S> {
    fn with_state(self, state: S) -> Self {
        Self::from_bits((self.bits & !STATE) | u64::from(state.index()))
    }

    /// In `phase`, with the state of that role.
    fn in_phase(self, phase: Phase) -> Self {
        let role = match phase {
            Phase::Initial => S::INITIAL,
            Phase::Starting => S::STARTING,
            Phase::Running => S::RUNNING,
            Phase::Stopping => S::STOPPING,
            Phase::Stopped => S::STOPPED,
            Phase::Failed => S::FAILED,
        };
        Self::from_bits((self.bits & !PHASE) | phase.bits()).with_state(role)
    }

    fn with(self, flag: u64) -> Self {
        Self::from_bits(self.bits | flag)
    }

    fn without(self, flags: u64) -> Self {
        Self::from_bits(self.bits & !flags)
    }

    /// The next id, and no flag of the former attempt.
    fn next_attempt(self) -> Self {
        let id = (self.attempt() + 1) << ID_SHIFT;
        Self::from_bits(id | self.bits & STOP_REQUESTED)
    }

    fn changed_from(self, old: Self) -> Option<Self> {
        (self.bits != old.bits).then_some(self)
    }
}

/// The transitions: pure functions that return the next word, or `None` if the transition is not
/// allowed from here. [`AtomicState::update`] applies them.
impl<S: State> Snapshot<S> {
    /// A start wins the cell.
    pub(crate) fn begin(self, from: StartFrom) -> Option<Self> {
        self.check_entry(from).ok()?;
        Some(self.next_attempt().in_phase(Phase::Starting).with(BODY))
    }

    /// A start whose token was already cancelled is refused, and `STARTING` is never read.
    pub(crate) fn reject_entry(self, from: StartFrom) -> Option<Self> {
        self.check_entry(from).ok()?;
        Some(self.next_attempt().in_phase(Phase::Failed).with(CANCELLED))
    }

    /// The body of attempt `id` is a run.
    pub(crate) fn mark_run(self, id: AttemptId) -> Option<Self> {
        let marks = self.attempt() == id && self.has_body() && !self.is_run();
        marks.then(|| self.with(RUN))
    }

    /// The token of the attempt was cancelled.
    pub(crate) fn cancel(self) -> Option<Self> {
        match self.phase() {
            Phase::Starting if !self.must_abort() => Some(self.with(CANCELLED)),
            Phase::Running => Some(self.in_phase(Phase::Stopping)),
            _ => None,
        }
    }

    /// The service is asked to stop, without the latch.
    fn stop(self) -> Option<Self> {
        match self.phase() {
            Phase::Initial => Some(self.next_attempt().in_phase(Phase::Stopped)),
            _ => self.cancel(),
        }
    }

    /// The service is asked to stop, and to begin nothing until it is rearmed.
    pub(crate) fn request_stop(self) -> Option<Self> {
        let stopped = self.stop().unwrap_or(self);
        stopped.with(STOP_REQUESTED).changed_from(self)
    }

    /// The service is asked to stop as above, and its futures are dropped at their next poll.
    pub(crate) fn abort(self) -> Option<Self> {
        let stopped = self.request_stop().unwrap_or(self);
        let aborted = if stopped.is_idle() {
            stopped
        } else {
            stopped.with(ABORTED)
        };
        aborted.changed_from(self)
    }

    /// Takes back all requests to stop.
    pub(crate) fn rearm(self) -> Option<Self> {
        let rearms = self.is_idle() && self.stop_requested();
        rearms.then(|| self.without(STOP_REQUESTED))
    }

    /// The attempt, or the service that it became, failed. With `id`, only if that attempt is under
    /// way.
    pub(crate) fn fail(self, id: Option<AttemptId>) -> Option<Self> {
        if id.is_some_and(|id| id != self.attempt()) || self.has_failure() {
            return None;
        }
        match self.phase() {
            Phase::Initial => {
                let failed = self.next_attempt().in_phase(Phase::Failed);
                Some(failed.with(FAILURE_RECORDED))
            }
            Phase::Starting => (!self.is_cancelled()).then(|| self.with(FAILURE_RECORDED)),
            Phase::Running | Phase::Stopping => {
                Some(self.in_phase(Phase::Stopping).with(FAILURE_RECORDED))
            }
            Phase::Stopped | Phase::Failed => None,
        }
    }

    /// The body of a start of attempt `id` has succeeded: publish.
    pub(crate) fn commit(self, id: AttemptId) -> Option<Self> {
        let commits = !self.is_run() && self.may_publish(id);
        commits.then(|| self.published().without(BODY | SHIELDED))
    }

    /// The run of attempt `id` says that it is up.
    pub(crate) fn publish(self, id: AttemptId) -> Option<Self> {
        (self.is_run() && self.may_publish(id)).then(|| self.published())
    }

    fn may_publish(self, id: AttemptId) -> bool {
        self.attempt() == id && self.is_in(Phase::Starting) && self.has_body() && !self.must_abort()
    }

    fn published(self) -> Self {
        self.in_phase(Phase::Running).with(PUBLISHED)
    }

    /// The body of attempt `id` is gone, and was told to end.
    pub(crate) fn body_refused(self, id: AttemptId) -> Option<Self> {
        self.has_body_of(id).then(|| self.without(BODY | SHIELDED))
    }

    /// The body of attempt `id` is gone, and its failure is recorded.
    pub(crate) fn body_failed(self, id: AttemptId) -> Option<Self> {
        self.has_body_of(id).then(|| {
            let failed = match self.phase() {
                Phase::Running => self.in_phase(Phase::Stopping),
                _ => self,
            };
            failed.with(FAILURE_RECORDED).without(BODY | SHIELDED)
        })
    }

    /// The run of attempt `id` has succeeded. If it never published, the service is over.
    pub(crate) fn run_finished(self, id: AttemptId) -> Option<Self> {
        self.has_body_of(id).then(|| {
            let finished = match self.phase() {
                Phase::Starting if !self.must_abort() => self.in_phase(Phase::Stopping),
                _ => self.with(SERVING_ENDED),
            };
            finished.without(BODY | SHIELDED)
        })
    }

    fn has_body_of(self, id: AttemptId) -> bool {
        self.attempt() == id && self.has_body()
    }

    /// The last serving part of the attempt has ended without a failure.
    pub(crate) fn serving_ended(self) -> Option<Self> {
        let serves = matches!(self.phase(), Phase::Starting | Phase::Running);
        (serves && !self.has(SERVING_ENDED)).then(|| self.with(SERVING_ENDED))
    }

    /// Whether [`settle`](Self::settle) has to be asked.
    #[inline]
    pub(crate) fn may_settle(self) -> bool {
        let may_end = self.is_told_to_end() && !self.is_idle();
        !self.has_body() && (may_end || self.has(SERVING_ENDED))
    }

    /// The next step that follows from what is left of the attempt, one at a time.
    pub(crate) fn settle(self, left: PartsLeft) -> Option<Self> {
        if self.has_body() {
            return None;
        }
        match self.phase() {
            Phase::Starting if self.must_abort() && left.none() => {
                Some(self.in_phase(Phase::Failed))
            }
            Phase::Running if self.has(SERVING_ENDED) && left.serving == 0 => {
                Some(self.in_phase(Phase::Stopping))
            }
            Phase::Stopping if left.none() => Some(if self.has_failure() {
                self.in_phase(Phase::Failed)
            } else {
                self.in_phase(Phase::Stopped)
            }),
            _ => None,
        }
    }

    /// The body of attempt `id` stores `to`. After publication, `last` is the state that the attempt
    /// last wrote.
    pub(crate) fn store(self, id: AttemptId, last: S, to: S) -> Option<Self> {
        if !self.has_body_of(id) || self.is_told_to_end() {
            return None;
        }
        match self.phase() {
            Phase::Starting if to == S::RUNNING => self.publish(id),
            Phase::Starting if to == S::STOPPING => self.cancel(),
            Phase::Starting if is_own_step(to) => Some(self.with_state(to)),
            Phase::Running if self.is_state(last) => self.advance(to),
            _ => None,
        }
    }

    /// The service, or somebody who holds its cell, moves it from `from` to `to`.
    pub(crate) fn transition(self, from: S, to: S) -> Option<Self> {
        if !self.is_state(from) {
            None
        } else if to == S::STOPPING {
            self.stop()
        } else if self.phase() == Phase::Running {
            self.advance(to)
        } else {
            None
        }
    }

    /// The moves of a published service that are its own to make.
    fn advance(self, to: S) -> Option<Self> {
        if to == S::RUNNING {
            Some(self.in_phase(Phase::Running))
        } else if to == S::STOPPING {
            self.cancel()
        } else {
            is_own_step(to).then(|| self.with_state(to))
        }
    }

    /// The body of attempt `id` enters a part that must not be interrupted, unless it has to end.
    pub(crate) fn raise_shield(self, id: AttemptId) -> Option<Self> {
        let raises = self.has_body_of(id) && !self.is_shielded() && !self.should_interrupt();
        raises.then(|| self.with(SHIELDED))
    }

    /// The body of attempt `id` leaves that part.
    pub(crate) fn lower_shield(self, id: AttemptId) -> Option<Self> {
        let lowers = self.has_body_of(id) && self.is_shielded();
        lowers.then(|| self.without(SHIELDED))
    }
}

/// How many parts of an attempt are left, its body aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PartsLeft {
    /// Served futures and guards.
    pub(crate) serving: usize,
    pub(crate) tracked: usize,
}

impl PartsLeft {
    pub(crate) fn none(self) -> bool {
        self.serving == 0 && self.tracked == 0
    }
}

/// Whether `state` has no role: a step of the service's own.
fn is_own_step<S: State>(state: S) -> bool {
    !is_reserved(state) && state != S::RUNNING && state != S::STOPPING
}

/// Whether only the guard writes `state`.
pub(crate) fn is_reserved<S: State>(state: S) -> bool {
    // A variant that is also `STOPPING` is meant as that.
    [S::INITIAL, S::STARTING, S::STOPPED, S::FAILED].contains(&state) && state != S::STOPPING
}

impl<S: State> fmt::Debug for Snapshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state())
            .field("phase", &self.phase())
            .field("attempt", &self.attempt())
            .field("body", &self.has_body())
            .field("run", &self.is_run())
            .field("published", &self.is_published())
            .field("cancelled", &self.is_cancelled())
            .field("failure", &self.has_failure())
            .field("shielded", &self.is_shielded())
            .field("aborted", &self.is_aborted())
            .field("serving_ended", &self.has(SERVING_ENDED))
            .field("stop_requested", &self.stop_requested())
            .finish()
    }
}

/// One transition that was made.
pub(crate) struct Transition<S> {
    pub(crate) old: Snapshot<S>,
    pub(crate) new: Snapshot<S>,
}

impl<S: State> Transition<S> {
    fn is_next_attempt(&self) -> bool {
        self.old.attempt() != self.new.attempt()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn begins(&self) -> bool {
        self.is_next_attempt() && self.new.has_body()
    }

    pub(crate) fn publishes(&self) -> bool {
        self.new.is_published() && !self.old.is_published()
    }

    /// The attempt under way is told to end.
    pub(crate) fn tells_to_end(&self) -> bool {
        self.new.is_told_to_end() && !self.old.is_told_to_end()
    }

    pub(crate) fn requests_stop(&self) -> bool {
        self.new.stop_requested() && !self.old.stop_requested()
    }

    pub(crate) fn aborts(&self) -> bool {
        self.new.is_aborted() && !self.old.is_aborted()
    }

    pub(crate) fn ends_body(&self) -> bool {
        self.old.has_body() && !self.new.has_body()
    }

    /// An attempt ends, or the cell ends without one.
    pub(crate) fn ends_attempt(&self) -> bool {
        self.new.is_idle() && (!self.old.is_idle() || self.is_next_attempt())
    }

    pub(crate) fn changes_state(&self) -> bool {
        (self.new.bits ^ self.old.bits) & STATE != 0
    }

    /// Another state or another phase: what is reported.
    #[cfg(feature = "tracing")]
    pub(crate) fn is_seen(&self) -> bool {
        (self.new.bits ^ self.old.bits) & (STATE | PHASE) != 0
    }
}

/// The atomic. Writers hold the cell's lock, readers do not.
pub(crate) struct AtomicState<S> {
    bits: AtomicU64,
    states: PhantomData<fn() -> S>,
}

impl<S: State> AtomicState<S> {
    pub(crate) fn new() -> Self {
        let new = Snapshot::<S>::from_bits(0).in_phase(Phase::Initial);
        Self {
            bits: AtomicU64::new(new.bits),
            states: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot<S> {
        Snapshot::from_bits(self.bits.load(Ordering::Acquire))
    }

    /// Applies `transition` by compare-and-swap. Returns the word that did not allow it if there is
    /// none to make.
    ///
    /// The caller holds the cell's lock, so the swap is not contended; it fails only if an update
    /// was made without the lock, and is then repeated on the word that it found.
    #[inline]
    pub(crate) fn update(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<Transition<S>, Snapshot<S>> {
        let mut old = self.load();
        loop {
            let new = transition(old).ok_or(old)?;
            let swapped =
                self.bits
                    .compare_exchange(old.bits, new.bits, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => return Ok(Transition { old, new }),
                Err(actual) => old = Snapshot::from_bits(actual),
            }
        }
    }
}

#[cfg(all(test, not(cancel_guarded_loom)))]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::lifecycle::Lifecycle;

    type Word = Snapshot<Lifecycle>;

    /// Every word that can follow `word`, with the name of the transition.
    fn successors(word: Word) -> Vec<(&'static str, Word)> {
        let id = word.attempt();
        let mut next = vec![
            ("begin", word.begin(StartFrom::Initial)),
            ("begin", word.begin(StartFrom::Idle)),
            ("reject_entry", word.reject_entry(StartFrom::Idle)),
            ("mark_run", word.mark_run(id)),
            ("cancel", word.cancel()),
            ("request_stop", word.request_stop()),
            ("abort", word.abort()),
            ("rearm", word.rearm()),
            ("fail", word.fail(None)),
            ("commit", word.commit(id)),
            ("publish", word.publish(id)),
            ("serving_ended", word.serving_ended()),
            ("raise_shield", word.raise_shield(id)),
            ("lower_shield", word.lower_shield(id)),
            ("body_failed", word.body_failed(id)),
        ];
        if word.must_abort() {
            next.push(("body_refused", word.body_refused(id)));
        }
        if word.is_run() {
            next.push(("run_finished", word.run_finished(id)));
        }
        for serving in [0, 1] {
            for tracked in [0, 1] {
                let left = PartsLeft { serving, tracked };
                let name = if left.none() { "end" } else { "settle" };
                next.push((name, word.settle(left)));
            }
        }
        for &to in Lifecycle::VARIANTS {
            for &last in Lifecycle::VARIANTS {
                next.push(("store", word.store(id, last, to)));
            }
            next.push(("transition", word.transition(word.state(), to)));
        }
        next.into_iter()
            .filter_map(|(name, next)| Some((name, next?)))
            .collect()
    }

    /// Every step between words that can be reached within three attempts.
    fn steps() -> Vec<(Word, &'static str, Word)> {
        let initial = AtomicState::<Lifecycle>::new().load();
        let mut seen = HashMap::from([(initial.bits, initial)]);
        let (mut open, mut steps) = (vec![initial], Vec::new());
        while let Some(word) = open.pop() {
            for (name, next) in successors(word) {
                steps.push((word, name, next));
                if next.attempt() <= 3 && seen.insert(next.bits, next).is_none() {
                    open.push(next);
                }
            }
        }
        steps
    }

    #[track_caller]
    fn holds(invariant: &str, holds: impl Fn(Word, &str, Word) -> bool) {
        let steps = steps();
        assert!(steps.len() > 100, "only {} steps", steps.len());
        for (old, name, new) in steps {
            assert!(
                holds(old, name, new),
                "{invariant}: {name}\n{old:#?}\n{new:#?}"
            );
        }
    }

    #[test]
    fn the_id_grows_when_an_attempt_begins_or_an_idle_cell_ends() {
        holds("invariant 2", |old, _, new| {
            let leaves = old.is_idle() && (!new.is_idle() || old.phase() != new.phase());
            if leaves || new.attempt() != old.attempt() {
                old.is_idle() && new.attempt() == old.attempt() + 1
            } else {
                true
            }
        });
    }

    #[test]
    fn nothing_moves_for_another_attempt() {
        for (word, _, _) in steps() {
            let other = word.attempt() + 1;
            let moved = [
                word.mark_run(other),
                word.fail(Some(other)),
                word.commit(other),
                word.publish(other),
                word.body_refused(other),
                word.body_failed(other),
                word.run_finished(other),
                word.store(other, word.state(), Lifecycle::Running),
                word.raise_shield(other),
                word.lower_shield(other),
            ];
            assert!(moved.iter().all(Option::is_none), "invariant 2: {word:#?}");
        }
    }

    #[test]
    fn a_body_begins_with_the_attempt_and_ends_with_commit_or_by_itself() {
        holds("invariant 3", |old, name, new| {
            match (old.has_body(), new.has_body()) {
                (false, true) => name == "begin",
                (true, false) => {
                    ["commit", "body_refused", "body_failed", "run_finished"].contains(&name)
                }
                (true, true) => name != "begin",
                (false, false) => true,
            }
        });
    }

    #[test]
    fn an_unpublished_body_owns_the_phase() {
        holds("invariant 3", |old, name, new| {
            !old.has_body()
                || old.is_published()
                || old.phase() == new.phase()
                || ["commit", "publish", "store", "run_finished"].contains(&name)
        });
    }

    #[test]
    fn an_attempt_that_must_end_does_not_publish() {
        holds("invariant 4", |old, _, new| {
            let publishes = new.is_published() && !old.is_published();
            !publishes
                || old.phase() == Phase::Starting && !old.is_cancelled() && !old.has_failure()
        });
    }

    #[test]
    fn a_running_service_has_no_cause_to_end() {
        holds("invariant 4", |_, _, new| {
            let has_cause = new.is_cancelled() || new.has_failure();
            !has_cause || !matches!(new.phase(), Phase::Initial | Phase::Running)
        });
    }

    #[test]
    fn only_a_failure_of_the_body_follows_another_cause() {
        holds("first cause", |old, name, new| {
            let had_cause = old.has_failure() || old.must_abort();
            !had_cause
                || old.attempt() != new.attempt()
                || name == "body_failed"
                || old.has_failure() == new.has_failure()
        });
    }

    #[test]
    fn phases_only_grow_within_an_attempt() {
        holds("invariant 5", |old, _, new| {
            old.attempt() != new.attempt() || old.phase() <= new.phase()
        });
    }

    #[test]
    fn running_is_read_only_if_published() {
        holds("G3", |_, _, new| {
            new.state() != Lifecycle::Running || new.is_published() && new.phase() == Phase::Running
        });
    }

    #[test]
    fn an_attempt_ends_only_without_body_and_parts() {
        holds("invariant 6", |old, name, new| {
            old.is_idle() || !new.is_idle() || name == "end" && !old.has_body()
        });
    }

    #[test]
    fn failed_has_a_cause_and_stopped_has_none() {
        holds("R13", |_, _, new| match new.phase() {
            Phase::Failed => new.is_cancelled() || new.has_failure(),
            Phase::Stopped => !new.is_cancelled() && !new.has_failure(),
            _ => true,
        });
    }

    #[test]
    fn a_latched_cell_begins_nothing_until_it_is_rearmed() {
        holds("invariant 8", |old, name, new| {
            if old.stop_requested() {
                name != "begin"
                    && name != "reject_entry"
                    && (new.stop_requested() || name == "rearm" && old.is_idle())
            } else {
                !new.stop_requested() || name == "request_stop" || name == "abort"
            }
        });
    }

    #[test]
    fn a_service_that_is_told_to_stop_ends_when_its_parts_do() {
        for (word, _, _) in steps() {
            let may_end = word.is_told_to_end() && !word.is_idle() && !word.has_body();
            let ends = word.settle(PartsLeft::default());
            assert!(ends.is_none() || word.may_settle(), "{word:#?}");
            assert_eq!(
                ends.is_some_and(Snapshot::is_idle),
                may_end,
                "no stop waits for what is gone: {word:#?}"
            );
        }
    }

    #[test]
    fn the_state_that_is_read_is_that_of_the_phase() {
        holds("Lifecycle has no own steps", |_, _, new| {
            new.state().index() == new.phase() as u8
        });
    }

    #[test]
    fn every_end_can_be_reached() {
        for phase in [
            Phase::Running,
            Phase::Stopping,
            Phase::Stopped,
            Phase::Failed,
        ] {
            assert!(
                steps().iter().any(|(_, _, new)| new.phase() == phase),
                "{phase:?} is out of reach"
            );
        }
    }
}
