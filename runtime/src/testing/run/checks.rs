//! The checks of a run.

use super::{Reached, Run, Setting};
use crate::failure::{Failure, FailureKind};
use crate::shared::Phase;
use crate::testing::counts::Counts;
use crate::testing::problem::Problem;
use crate::testing::swept::Swept;
use crate::testing::timeout::Expired;

impl<R: Swept> Run<R> {
    /// A start to which nothing was done has to have published.
    pub(super) fn check_reached(
        &self,
        driven: Result<Reached, Expired>,
        setting: &Setting,
    ) -> Result<(), Problem> {
        let reached = driven
            .map_err(|expired| Problem::expired(expired, self.describe(), Problem::not_up))?;
        match reached {
            Reached::Published | Reached::Point => return Ok(()),
            Reached::TooManyPoints => {
                let max = setting.limits.max_points;
                return Err(Problem::TooManyPoints { max });
            }
            Reached::Returned => {}
        }
        if let Some(panicked) = self.panicked() {
            return Err(Problem::StartPanics(panicked));
        }
        let state = self.ended_in();
        match self.returned_failure() {
            None if self.has_published() => Ok(()),
            None if self.is_untouched() => Err(Problem::NotGuarded { state }),
            None => Err(Problem::EndsUnpublished { state }),
            Some(failure) if self.has_published() => self.check_run_failed(failure, setting),
            Some(failure) if self.is_untouched() && self.word().phase() != Phase::Initial => {
                Err(Problem::DoesNotBeginAgain(failure))
            }
            Some(failure) => Err(Problem::Fails(self.with_cause(failure))),
        }
    }

    /// A run may fail once it has published. Then the cell has failed, too.
    pub(super) fn check_run_failed(
        &self,
        failure: Failure,
        setting: &Setting,
    ) -> Result<(), Problem> {
        match self.cell.failure() {
            Some(_) if setting.limits.ends_in_failure => Ok(()),
            Some(cause) => Err(Problem::EndsInFailure(cause)),
            None => Err(Problem::FailsThoughPublished(failure)),
        }
    }

    /// What the start returned, and the cause of the cell where that says more.
    pub(super) fn with_cause(&self, failure: Failure) -> Failure {
        let message = failure.to_string();
        match self.cell.failure().map(|cause| cause.to_string()) {
            Some(cause) if !message.contains(&cause) => {
                Failure::new(format_args!("{message} ({cause})"))
            }
            _ => failure,
        }
    }

    /// Every task that the start has spawned has to be a part.
    pub(super) async fn check_tasks(&mut self, setting: &Setting) -> Result<(), Problem> {
        let detached = setting.limits.detached_tasks;
        let unserved = |run: &Self, counts: &Counts| {
            // Where it is known who spawns, the tasks of others do not count.
            let spawned = if counts.sees_who_spawns() {
                run.spawned
            } else {
                usize::MAX
            };
            let tasks = counts.new_tasks().min(spawned);
            tasks.saturating_sub(run.num_parts() + detached)
        };
        let waited = self
            .wait_until(setting, |run, counts| unserved(run, counts) == 0)
            .await;
        waited.map_err(|expired| {
            Problem::expired(expired, self.describe(), |_, _| Problem::Unserved {
                tasks: unserved(self, &setting.counts),
                parts: self.num_parts(),
            })
        })
    }

    /// A service that was cancelled once it was running has to end as is expected of it.
    pub(super) fn check_end(&self, setting: &Setting) -> Result<(), Problem> {
        let has_failed = self.word().phase() == Phase::Failed;
        match (has_failed, setting.limits.ends_in_failure) {
            (false, _) if self.ended_by_itself && !setting.limits.ends_by_itself => {
                return Err(Problem::EndsByItself);
            }
            (true, true) | (false, false) => {}
            (false, true) => return Err(Problem::EndsWithoutFailure),
            (true, false) => {
                return Err(match self.cell.failure() {
                    Some(failure) => Problem::EndsInFailure(failure),
                    None => Problem::NoCause,
                });
            }
        }
        match self.returned_failure() {
            Some(failure) if !has_failed => Err(Problem::FailsThoughPublished(failure)),
            _ => Ok(()),
        }
    }

    /// A start that was refused has to leave its cell in `FAILED`, and nothing else.
    pub(super) async fn check_refused(
        &mut self,
        expected: FailureKind,
        setting: &Setting,
    ) -> Result<(), Problem> {
        if self.is_untouched() {
            return Err(match self.returned_failure() {
                Some(failure) if self.word().phase() != Phase::Initial => {
                    Problem::DoesNotBeginAgain(failure)
                }
                _ => Problem::NotFailed {
                    state: self.ended_in(),
                },
            });
        }
        let ended = self
            .wait_until(setting, |run, _| run.word().is_idle())
            .await;
        ended.map_err(|expired| self.not_ended(expired))?;
        if self.word().phase() != Phase::Failed {
            let state = self.ended_in();
            return Err(Problem::NotFailed { state });
        }
        match self.cell.failure() {
            None => return Err(Problem::NoCause),
            Some(failure) if failure.kind() == expected => {}
            // The body has an error of its own, which wins over the cancellation.
            Some(failure) if failure.was_told_to_end() && expected == FailureKind::Cancelled => {}
            Some(failure) => return Err(Problem::WrongCause { failure, expected }),
        }
        self.check_token()?;
        self.drop_all();
        self.check_counts(setting).await?;
        self.check_handles(setting).await
    }

    pub(super) fn not_ended(&self, expired: Expired) -> Problem {
        Problem::expired(expired, self.describe(), Problem::not_ended)
    }

    pub(super) fn check_token(&self) -> Result<(), Problem> {
        match &self.own_token {
            Some(own) if !own.is_cancelled() => Err(Problem::TokenLive),
            _ => Ok(()),
        }
    }

    /// Nothing holds the cell but the sweep, and what the closure gave it to.
    pub(super) async fn check_handles(&mut self, setting: &Setting) -> Result<(), Problem> {
        let baseline = setting.baseline_handles;
        let waited = self.wait_until(setting, |run, _| run.num_handles() <= baseline);
        let waited = waited.await;
        waited
            .map_err(|expired| Problem::expired(expired, self.describe(), |_, _| Problem::CellHeld))
    }

    /// Nothing is left that is counted.
    pub(super) async fn check_counts(&mut self, setting: &Setting) -> Result<(), Problem> {
        let waited = self.wait_until(setting, |_, counts| counts.excess().is_none());
        let waited = waited.await;
        waited.map_err(|expired| match setting.counts.excess() {
            Some(excess) => {
                Problem::expired(expired, self.describe(), |_, _| Problem::Leftover(excess))
            }
            None => self.out_of_budget(expired),
        })
    }
}
