//! The state word: everything that decides what a cell may do next, in one atomic.
//!
//! ```text
//! bits 0..8    the state that an observer reads, as State::index
//!      8..11   the phase: which of the six roles the cell is in (an own step keeps the phase)
//!      11      BODY       the body of the attempt exists
//!      12      PUBLISHED  the attempt has been RUNNING
//!      13      CANCELLED  the attempt was told to end before it had published
//!      14      FAILING    the attempt or the service failed; the book holds the cause
//!      15      SHIELDED   the body is in a part that must not be interrupted
//!      16      ATTENDED   the book may hold more than what ties the attempt to its token
//!      17      BEGUN      an attempt has begun, and not just been refused at entry
//!      18..64  the number of the attempt
//! ```
//!
//! # Invariants
//!
//! 1. The word changes in [`Word::update`] and nowhere else. Its modification order is *the*
//!    order of events of a cell: of two transitions that race, the one whose CAS comes second
//!    sees the other and is judged again.
//! 2. The number grows by one whenever the cell leaves rest (`Initial`, `Stopped`, `Failed`)
//!    or is settled while at rest. A change made in the name of attempt *n* applies only while
//!    the word carries *n*, so that who comes too late finds nothing to move.
//! 3. `BODY` is set by [`begin`](Snapshot::begin) and cleared by [`commit`](Snapshot::commit) or
//!    [`end`](Snapshot::end). While it is set, nobody but the attempt moves the phase on, except
//!    that a published one may be told to stop. `Starting` outlives `BODY` only while somebody
//!    still drops a future of the attempt.
//! 4. `PUBLISHED` is set only in phase `Starting`, and only where neither `CANCELLED` nor
//!    `FAILING` is. Those two are set in phase `Starting` only where neither is: the first cause
//!    stays.
//! 5. Within one attempt phases only grow. `Running` therefore never comes back once the cell is
//!    `Stopping`.
//! 6. `Failed` is entered when nothing of the attempt is left, or when there was nothing.
//! 7. `FAILING` is set after the cause was written into the book.
//! 8. Whoever changes the word holds the book's lock, so that the two speak of the same attempt.
//!    Except where nobody has to hear of the change: without `ATTENDED`, a
//!    [`commit`](Snapshot::commit) and a [`refuse_entry`](Snapshot::refuse_entry) are the CAS
//!    alone. So `ATTENDED` is set, under the lock, before anybody puts something into the book
//!    that these would have to deal with, and what is put there is judged by the word that came of
//!    setting it. It is never cleared.

#[cfg(test)]
use std::fmt;
use std::marker::PhantomData;

use crate::state::State;
use crate::sync::{AtomicU64, Ordering};

const STATE: u64 = 0xff;
const PHASE_SHIFT: u32 = 8;
const PHASE: u64 = 0b111 << PHASE_SHIFT;
const BODY: u64 = 1 << 11;
const PUBLISHED: u64 = 1 << 12;
const CANCELLED: u64 = 1 << 13;
const FAILING: u64 = 1 << 14;
const SHIELDED: u64 = 1 << 15;
const ATTENDED: u64 = 1 << 16;
const BEGUN: u64 = 1 << 17;
const NUMBER_SHIFT: u32 = 18;

/// The number of an attempt. The first is 1; 2⁴⁶ of them fit.
pub(crate) type Number = u64;

/// Where in its life a cell is, whatever its states are called. Ordered as a life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Initial,
    Starting,
    Running,
    Stopping,
    Stopped,
    Failed,
}

/// From which states a start may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartFrom {
    /// `INITIAL` only: one cell, one life.
    Initial,
    /// `INITIAL`, `STOPPED` and `FAILED`.
    Rest,
}

/// What is gone of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// The body, and with it whatever the roll-back or the commit takes along.
    Body,
    /// A served future.
    Served,
}

/// A service's state word at one moment.
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

/// Reading.
impl<S: State> Snapshot<S> {
    fn from_bits(bits: u64) -> Self {
        Self {
            bits,
            states: PhantomData,
        }
    }

    pub(crate) fn state(self) -> S {
        let index = (self.bits & STATE) as usize;
        // An index out of range can only come of a `State` written by hand whose `index` does
        // not agree with its `VARIANTS`.
        S::VARIANTS.get(index).copied().unwrap_or(S::FAILED)
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

    pub(crate) fn number(self) -> Number {
        self.bits >> NUMBER_SHIFT
    }

    fn has(self, mark: u64) -> bool {
        self.bits & mark != 0
    }

    pub(crate) fn has_body(self) -> bool {
        self.has(BODY)
    }

    pub(crate) fn is_published(self) -> bool {
        self.has(PUBLISHED)
    }

    pub(crate) fn is_cancelled(self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn is_failing(self) -> bool {
        self.has(FAILING)
    }

    /// There is a cause for `FAILED`, now or to come.
    pub(crate) fn has_failed(self) -> bool {
        self.is_cancelled() || self.is_failing()
    }

    pub(crate) fn is_shielded(self) -> bool {
        self.has(SHIELDED)
    }

    /// Others than the attempt have to hear of its transitions.
    pub(crate) fn is_attended(self) -> bool {
        self.has(ATTENDED)
    }

    /// There has been a body.
    #[cfg(all(feature = "testing", not(cancel_guarded_loom)))]
    pub(crate) fn has_begun(self) -> bool {
        self.has(BEGUN)
    }

    /// Nothing is under way: no attempt yet, or the last one has ended.
    pub(crate) fn is_at_rest(self) -> bool {
        matches!(
            self.phase(),
            Phase::Initial | Phase::Stopped | Phase::Failed
        )
    }

    /// The attempt has not published, and was told that it must not.
    pub(crate) fn is_told_to_end(self) -> bool {
        self.phase() == Phase::Starting && self.has_failed()
    }

    /// The same, where it may act on it at once.
    ///
    /// Asked at every await. The usual answer takes one test of two bits.
    #[inline]
    pub(crate) fn is_interrupted(self) -> bool {
        #[cold]
        fn with_a_cause<S: State>(word: Snapshot<S>) -> bool {
            word.is_told_to_end() && !word.is_shielded()
        }
        self.has_failed() && with_a_cause(self)
    }

    pub(crate) fn is_startable(self, from: StartFrom) -> bool {
        match self.phase() {
            Phase::Initial => self.reads(S::INITIAL),
            Phase::Stopped | Phase::Failed => from == StartFrom::Rest && !self.has_body(),
            Phase::Starting | Phase::Running | Phase::Stopping => false,
        }
    }

    /// Reads `RUNNING`, and is: a variant that plays several roles may be read before.
    pub(crate) fn is_running(self) -> bool {
        self.phase() == Phase::Running && self.reads(S::RUNNING)
    }

    pub(crate) fn reads(self, state: S) -> bool {
        self.bits & STATE == u64::from(state.index())
    }
}

/// Making the next one.
impl<S: State> Snapshot<S> {
    fn reading(self, state: S) -> Self {
        Self::from_bits((self.bits & !STATE) | u64::from(state.index()))
    }

    /// In `phase`, reading the state of that role.
    fn in_phase(self, phase: Phase) -> Self {
        let role = match phase {
            Phase::Initial => S::INITIAL,
            Phase::Starting => S::STARTING,
            Phase::Running => S::RUNNING,
            Phase::Stopping => S::STOPPING,
            Phase::Stopped => S::STOPPED,
            Phase::Failed => S::FAILED,
        };
        let phase = (phase as u64) << PHASE_SHIFT;
        Self::from_bits((self.bits & !PHASE) | phase).reading(role)
    }

    fn with(self, mark: u64) -> Self {
        Self::from_bits(self.bits | mark)
    }

    fn without(self, mark: u64) -> Self {
        Self::from_bits(self.bits & !mark)
    }

    /// The next number, and nothing of the former attempt.
    fn renumbered(self) -> Self {
        let number = (self.number() + 1) << NUMBER_SHIFT;
        Self::from_bits(number | self.bits & (ATTENDED | BEGUN))
    }
}

/// The transitions. Each answers with the word that is to come, or `None` if the transition is
/// not to be made from here. All are pure: [`Word::update`] applies them.
impl<S: State> Snapshot<S> {
    /// A start wins the cell.
    pub(crate) fn begin(self, from: StartFrom) -> Option<Self> {
        self.is_startable(from).then(|| {
            self.renumbered()
                .in_phase(Phase::Starting)
                .with(BODY | BEGUN)
        })
    }

    /// A start under a token that was cancelled before: refused, and `STARTING` is never read.
    pub(crate) fn refuse_entry(self, from: StartFrom) -> Option<Self> {
        self.is_startable(from)
            .then(|| self.renumbered().in_phase(Phase::Failed).with(CANCELLED))
    }

    /// The token of the attempt under way was cancelled.
    pub(crate) fn cancel(self) -> Option<Self> {
        match self.phase() {
            Phase::Starting if !self.is_told_to_end() => Some(self.with(CANCELLED)),
            Phase::Running => Some(self.in_phase(Phase::Stopping)),
            _ => None,
        }
    }

    /// Somebody asks the service to stop, whatever it is doing.
    pub(crate) fn request_stop(self) -> Option<Self> {
        match self.phase() {
            Phase::Initial => Some(self.renumbered().in_phase(Phase::Stopped)),
            _ => self.cancel(),
        }
    }

    /// The attempt, or the service that came of it, failed (invariant 7: the caller has
    /// written the cause). With `number` only if it is still that attempt.
    pub(crate) fn fail(self, number: Option<Number>) -> Option<Self> {
        if number.is_some_and(|number| number != self.number()) || self.is_failing() {
            return None;
        }
        match self.phase() {
            Phase::Initial => Some(self.renumbered().in_phase(Phase::Failed).with(FAILING)),
            Phase::Starting => (!self.is_cancelled()).then(|| self.with(FAILING)),
            Phase::Running | Phase::Stopping => Some(self.in_phase(Phase::Stopping).with(FAILING)),
            Phase::Stopped | Phase::Failed => None,
        }
    }

    /// The body of attempt `number` has succeeded: publish.
    pub(crate) fn commit(self, number: Number) -> Option<Self> {
        let commits = self.number() == number
            && self.phase() == Phase::Starting
            && self.has_body()
            && !self.is_told_to_end();
        commits.then(|| {
            self.in_phase(Phase::Running)
                .with(PUBLISHED)
                .without(BODY)
                .without(SHIELDED)
        })
    }

    /// Something of attempt `number` is gone; `nothing_served` tells whether any served future
    /// is left. Once the body is gone too, the attempt has ended.
    pub(crate) fn end(self, number: Number, gone: Gone, nothing_served: bool) -> Option<Self> {
        if self.number() != number {
            return None;
        }
        let next = match gone {
            Gone::Body => self.without(BODY).without(SHIELDED),
            Gone::Served => self,
        };
        if next.has_body() || !nothing_served {
            return (next.bits != self.bits).then_some(next);
        }
        match next.phase() {
            Phase::Starting if next.is_told_to_end() => Some(next.in_phase(Phase::Failed)),
            Phase::Running | Phase::Stopping if next.is_failing() => {
                Some(next.in_phase(Phase::Failed))
            }
            Phase::Running | Phase::Stopping => Some(next.in_phase(Phase::Stopped)),
            _ => (next.bits != self.bits).then_some(next),
        }
    }

    /// The body of attempt `number` writes `to`.
    pub(crate) fn store(self, number: Number, to: S) -> Option<Self> {
        if self.number() != number || !self.has_body() {
            return None;
        }
        match self.phase() {
            Phase::Starting if self.is_told_to_end() => None,
            Phase::Starting if to == S::RUNNING => {
                Some(self.in_phase(Phase::Running).with(PUBLISHED))
            }
            // A body that calls itself stopped before it was running tells itself to end.
            Phase::Starting if to == S::STOPPING || to == S::STOPPED => self.cancel(),
            Phase::Starting => Some(self.reading(to)),
            Phase::Running | Phase::Stopping => self.move_on(to),
            Phase::Initial | Phase::Stopped | Phase::Failed => None,
        }
    }

    /// The service moves itself from `from` to `to`.
    pub(crate) fn transition(self, from: S, to: S) -> Option<Self> {
        if self.has_body() || !self.reads(from) {
            return None;
        }
        match self.phase() {
            // Where one variant plays several roles, these are still not to be entered.
            Phase::Initial if to == S::INITIAL || to == S::RUNNING => None,
            Phase::Initial if to == S::STOPPED || to == S::STOPPING => {
                self.renumbered().move_on(to)
            }
            Phase::Initial => (!is_reserved(to)).then(|| self.reading(to)),
            Phase::Running | Phase::Stopping => self.move_on(to),
            Phase::Starting | Phase::Stopped | Phase::Failed => None,
        }
    }

    /// Onward from where the service, not the guard, decides.
    fn move_on(self, to: S) -> Option<Self> {
        // Where one variant plays several roles, the one that is furthest on is meant.
        if to == S::STOPPED {
            // A recorded failure is not to be painted over: FAILED follows.
            (!self.is_failing()).then(|| self.in_phase(Phase::Stopped))
        } else if self.phase() == Phase::Stopping {
            None
        } else if to == S::STOPPING {
            Some(self.in_phase(Phase::Stopping))
        } else if to == S::RUNNING {
            self.is_published().then(|| self.in_phase(Phase::Running))
        } else {
            (!is_reserved(to)).then(|| self.reading(to))
        }
    }

    /// Something is about to be put into the book (invariant 8).
    pub(crate) fn attend(self) -> Option<Self> {
        (!self.is_attended()).then(|| self.with(ATTENDED))
    }

    /// The body of attempt `number` enters, or leaves, a part that must not be interrupted.
    pub(crate) fn shield(self, number: Number, on: bool) -> Option<Self> {
        let changes = self.number() == number && self.has_body() && self.is_shielded() != on;
        changes.then(|| {
            if on {
                self.with(SHIELDED)
            } else {
                self.without(SHIELDED)
            }
        })
    }
}

/// Whether `state` is one that only the guard writes, in every role that it plays.
pub(crate) fn is_reserved<S: State>(state: S) -> bool {
    let by_guard = [S::INITIAL, S::STARTING, S::FAILED].contains(&state);
    let by_service = [S::RUNNING, S::STOPPING, S::STOPPED].contains(&state);
    by_guard && !by_service
}

/// For the tests below, and in what they say.
#[cfg(test)]
impl<S: State> fmt::Debug for Snapshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state())
            .field("phase", &self.phase())
            .field("body", &self.has_body())
            .field("published", &self.is_published())
            .field("cancelled", &self.is_cancelled())
            .field("failing", &self.is_failing())
            .field("shielded", &self.is_shielded())
            .field("attended", &self.is_attended())
            .field("number", &self.number())
            .finish()
    }
}

/// One transition that was made.
pub(crate) struct Change<S> {
    pub(crate) old: Snapshot<S>,
    pub(crate) new: Snapshot<S>,
}

impl<S: State> Change<S> {
    /// Whether an attempt is over with it, or the cell settled without one.
    pub(crate) fn ends(&self) -> bool {
        let Self { old, new } = self;
        new.is_at_rest() && (!old.is_at_rest() || new.number() != old.number())
    }

    /// Whether there is something in the book to deal with.
    pub(crate) fn concerns_others(&self) -> bool {
        self.new.is_attended() || self.ends()
    }
}

/// The atomic itself.
pub(crate) struct Word<S> {
    bits: AtomicU64,
    states: PhantomData<fn() -> S>,
}

impl<S: State> Word<S> {
    pub(crate) fn new() -> Self {
        let new = Snapshot::<S>::from_bits(0).in_phase(Phase::Initial);
        Self {
            bits: AtomicU64::new(new.bits),
            states: PhantomData,
        }
    }

    pub(crate) fn load(&self) -> Snapshot<S> {
        Snapshot::from_bits(self.bits.load(Ordering::Acquire))
    }

    /// Applies `transition` by compare-and-swap, and again to whatever was there instead, until
    /// it is made or declined. A declined one answers with the word that declined it.
    #[inline]
    pub(crate) fn update(
        &self,
        transition: impl Fn(Snapshot<S>) -> Option<Snapshot<S>>,
    ) -> Result<Change<S>, Snapshot<S>> {
        let mut old = self.load();
        loop {
            let new = transition(old).ok_or(old)?;
            let swapped =
                self.bits
                    .compare_exchange(old.bits, new.bits, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => return Ok(Change { old, new }),
                Err(actual) => old = Snapshot::from_bits(actual),
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(cancel_guarded_loom))]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::state::Lifecycle;

    type Word = Snapshot<Lifecycle>;

    /// Every word that can follow `word`, with the name of what led to it.
    fn successors(word: Word) -> Vec<(&'static str, Word)> {
        let number = word.number();
        let mut next = vec![
            ("begin", word.begin(StartFrom::Initial)),
            ("begin", word.begin(StartFrom::Rest)),
            ("refuse_entry", word.refuse_entry(StartFrom::Rest)),
            ("cancel", word.cancel()),
            ("request_stop", word.request_stop()),
            ("fail", word.fail(None)),
            ("commit", word.commit(number)),
            ("attend", word.attend()),
            ("shield", word.shield(number, true)),
            ("shield", word.shield(number, false)),
        ];
        for gone in [Gone::Body, Gone::Served] {
            for nothing_served in [true, false] {
                next.push(("end", word.end(number, gone, nothing_served)));
            }
        }
        for &to in Lifecycle::VARIANTS {
            next.push(("store", word.store(number, to).filter(|_| !is_reserved(to))));
            next.push(("transition", word.transition(word.state(), to)));
        }
        next.into_iter()
            .filter_map(|(name, next)| Some((name, next?)))
            .collect()
    }

    /// Every step between words that can be reached within three attempts.
    fn steps() -> Vec<(Word, &'static str, Word)> {
        let initial = super::Word::<Lifecycle>::new().load();
        let mut seen = HashMap::from([(initial.bits, initial)]);
        let (mut open, mut steps) = (vec![initial], Vec::new());
        while let Some(word) = open.pop() {
            for (name, next) in successors(word) {
                steps.push((word, name, next));
                if next.number() <= 3 && seen.insert(next.bits, next).is_none() {
                    open.push(next);
                }
            }
        }
        steps
    }

    #[track_caller]
    fn holds(invariant: &str, holds: impl Fn(Word, &str, Word) -> bool) {
        let steps = steps();
        assert!(
            steps.len() > 100,
            "only {} steps were looked at",
            steps.len()
        );
        for (old, name, new) in steps {
            assert!(
                holds(old, name, new),
                "{invariant}: {name}\n{old:#?}\n{new:#?}"
            );
        }
    }

    #[test]
    fn the_number_grows_when_the_cell_leaves_rest_or_is_settled_there() {
        holds("invariant 2", |old, _, new| {
            let leaves = old.is_at_rest() && (!new.is_at_rest() || old.phase() != new.phase());
            let settles = new.number() != old.number() && new.is_at_rest();
            if leaves || settles {
                old.is_at_rest() && new.number() == old.number() + 1
            } else {
                new.number() == old.number()
            }
        });
    }

    #[test]
    fn nothing_moves_in_the_name_of_another_attempt() {
        for (word, _, _) in steps() {
            let other = word.number() + 1;
            let moved = [
                word.fail(Some(other)),
                word.commit(other),
                word.end(other, Gone::Body, true),
                word.store(other, Lifecycle::Running),
                word.shield(other, true),
            ];
            assert!(moved.iter().all(Option::is_none), "invariant 2: {word:#?}");
        }
    }

    #[test]
    fn a_body_comes_with_begin_and_goes_with_commit_or_end() {
        holds("invariant 3", |old, name, new| {
            match (old.has_body(), new.has_body()) {
                (false, true) => name == "begin",
                (true, false) => name == "commit" || name == "end",
                (true, true) => name != "transition" && name != "begin",
                (false, false) => true,
            }
        });
    }

    #[test]
    fn a_body_owns_the_phase() {
        holds("invariant 3", |old, name, new| {
            let told_to_stop = old.phase() <= Phase::Running && new.phase() == Phase::Stopping;
            !old.has_body()
                || old.phase() == new.phase()
                || matches!(name, "commit" | "end" | "store")
                || old.is_published() && (told_to_stop || name == "fail")
        });
    }

    #[test]
    fn what_was_told_to_end_does_not_publish() {
        holds("invariant 4", |old, _, new| {
            let publishes = new.is_published() && !old.is_published();
            !publishes || old.phase() == Phase::Starting && !old.has_failed()
        });
    }

    #[test]
    fn the_first_cause_stays() {
        holds("invariant 4", |old, _, new| {
            let again = old.phase() == Phase::Starting && old.has_failed();
            !again
                || old.number() != new.number()
                || (old.is_cancelled(), old.is_failing()) == (new.is_cancelled(), new.is_failing())
        });
    }

    #[test]
    fn phases_only_grow_within_an_attempt() {
        holds("invariant 5", |old, _, new| {
            old.number() != new.number() || old.phase() <= new.phase()
        });
    }

    #[test]
    fn running_is_read_only_of_what_is_published() {
        holds("G3", |_, _, new| {
            new.state() != Lifecycle::Running || new.is_published() && new.phase() == Phase::Running
        });
    }

    #[test]
    fn failed_is_read_only_when_nothing_is_left() {
        holds("invariant 6", |_, _, new| {
            new.phase() != Phase::Failed || !new.has_body() && new.has_failed()
        });
    }

    #[test]
    fn the_state_that_is_read_is_the_one_of_the_phase() {
        holds("Lifecycle has no own steps", |_, _, new| {
            new.state().index() == new.phase() as u8
        });
    }

    #[test]
    fn who_attends_is_not_forgotten() {
        holds("invariant 8", |old, name, new| {
            new.is_attended() == (old.is_attended() || name == "attend")
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
