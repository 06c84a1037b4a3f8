//! How an attempt is entered, and what becomes of it when its body has ended: the same for a body
//! that is polled and for one that is called.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::body::Start;
use super::options::{Mode, OnRefused, StartOptions};
use crate::error::StartError;
use crate::failure::Failure;
use crate::lifecycle::State;
use crate::shared::{BodyEnd, EntryError, Remaining, StartFrom};
use crate::token::GuardToken;
use crate::unwind::CaughtPanic;

impl<S: State> Start<S> {
    /// Wins the cell.
    #[inline]
    pub(super) fn enter(
        &self,
        token: &mut GuardToken,
        from: StartFrom,
        mode: Mode,
    ) -> Result<(), EntryError<S>> {
        let id = self.handle.begin(std::mem::take(token), from)?;
        self.set_attempt(id);
        if mode != Mode::Start {
            self.mark_run(mode);
        }
        Ok(())
    }

    /// The attempt under way is a run.
    pub(super) fn mark_run(&self, mode: Mode) {
        let id = self.attempt();
        // Not made if the attempt was told to end meanwhile and is gone.
        let _ = self.handle.change(|word| word.mark_run(id));
        if mode == Mode::RunPublished {
            // If the attempt was told to end, it is refused where the body would be polled.
            let _ = self.handle.publish(|word| word.publish(id));
        }
    }

    /// The error of a start that did not win the cell. Its body has been dropped.
    pub(super) fn reject_entry(&self, error: EntryError<S>, from: StartFrom) -> StartError {
        let rejected = match error {
            EntryError::Cancelled => self.handle.reject_entry(from),
            error => Err(error),
        };
        match rejected {
            Ok(()) | Err(EntryError::Cancelled) => StartError::Cancelled,
            Err(EntryError::StopRequested) => StartError::StopRequested,
            Err(EntryError::NotStartable(state)) => StartError::NotStartable {
                state: state.name(),
            },
        }
    }

    /// Publishes the start, unless it was told to end.
    #[inline]
    pub(super) fn commit(&self) -> bool {
        let id = self.attempt();
        self.handle.publish(|word| word.commit(id)).is_ok()
    }

    /// Why the start is refused, whose attempt is still under way.
    pub(super) fn refusal(&self) -> StartError {
        let word = self.handle.load();
        if !word.is_published() && !word.has_failure() {
            return StartError::Cancelled;
        }
        match self.handle.cause() {
            Some(failure) if word.has_failure() => StartError::Failed(failure),
            _ => StartError::Failed(Failure::aborted()),
        }
    }

    /// Drops the body by `drop_body`, and releases the attempt. A panic of that drop is a failure of
    /// the body, unless it has failed before.
    pub(super) fn tear_down(
        &self,
        end: BodyEnd,
        drop_body: impl FnOnce(),
        panics: &mut CaughtPanic,
    ) -> Remaining {
        let had_failure = self.handle.load().has_failure();
        panics.catch(drop_body);
        let end = match end {
            // The first cause stays, unless the body has just dropped a served future.
            BodyEnd::Dropped(_) if had_failure => BodyEnd::Refused,
            end => end,
        };
        let end = match (panics.failure(), end) {
            (Some(panicked), BodyEnd::Refused | BodyEnd::Dropped(_) | BodyEnd::Finished) => {
                BodyEnd::Failed(panicked)
            }
            (_, end) => end,
        };
        self.handle.release_body(self.attempt(), end, panics)
    }

    /// How a body that was interrupted ended.
    pub(super) fn interrupted(&self) -> BodyEnd {
        if self.handle.load().must_abort() {
            BodyEnd::Refused
        } else {
            BodyEnd::Dropped(Failure::aborted())
        }
    }
}

impl<S: State> StartOptions<'_, S> {
    /// Calls a sync body, now. It is not interrupted, and does not wait.
    pub fn drive_sync<R, A, F>(self, on_refused: OnRefused<R, A>, body: F) -> R
    where
        A: FnOnce(StartError) -> R,
        F: FnOnce() -> R,
    {
        let Self {
            start,
            mut token,
            from,
            mode,
            ..
        } = self;
        if let Err(error) = start.enter(&mut token, from, mode) {
            let mut panics = CaughtPanic::default();
            panics.catch(|| drop((body, token)));
            let error = start.reject_entry(error, from);
            panics.resume();
            return on_refused.refuse(error);
        }
        drive_entered_sync(start, mode, on_refused, body)
    }
}

/// Calls the sync body of an attempt that has begun.
pub(super) fn drive_entered_sync<S, R, A, F>(
    start: &Start<S>,
    mode: Mode,
    on_refused: OnRefused<R, A>,
    body: F,
) -> R
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: FnOnce() -> R,
{
    let mut panics = CaughtPanic::default();
    if start.should_interrupt() {
        let error = start.refusal();
        start.tear_down(start.interrupted(), || drop(body), &mut panics);
        panics.resume();
        return on_refused.refuse(error);
    }
    let (mut value, mut failure) = (None, None);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let value = value.insert(body());
        // Inside, because this may call `Display` of the user's.
        failure = (on_refused.failure_of)(value);
    }));
    if let Err(payload) = unwound {
        let end = BodyEnd::Failed(Failure::panicked(&*payload));
        start.tear_down(end, || drop(value), &mut panics);
        panics.discard();
        resume_unwind(payload)
    }
    let Some(value) = value else {
        unreachable!("a body that did not unwind has returned a value");
    };
    if let Some(failure) = failure {
        start.tear_down(BodyEnd::Failed(failure), || (), &mut panics);
        return panics.resume_or(value);
    }
    if mode != Mode::Start {
        start.tear_down(BodyEnd::Finished, || (), &mut panics);
        return panics.resume_or(value);
    }
    if start.commit() {
        return value;
    }
    let error = start.refusal();
    start.tear_down(start.interrupted(), || drop(value), &mut panics);
    panics.resume();
    on_refused.refuse(error)
}
