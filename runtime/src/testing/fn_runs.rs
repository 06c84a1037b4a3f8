//! A sweep without a cell.

use std::future::Future;

use super::Limits;
use super::counts::Counts;
use super::driven::{Driven, Polled};
use super::point::Point;
use super::problem::{Found, Problem, counted};
use super::report::Report;
use super::timeout::{Expired, Step, Timeout};
use crate::outcome::Outcome;
use crate::sync::CancellationToken;

pub(super) struct FnRuns<M> {
    make: M,
    timeout: Timeout,
    counts: Counts,
    limits: Limits,
    report: Report,
    /// A refusal is no failure by its outcome.
    refusal_is_success: bool,
}

impl<M, F> FnRuns<M>
where
    M: FnMut(CancellationToken) -> F,
    F: Future<Output: Outcome>,
{
    pub(super) fn new(make: M, counts: Counts, limits: Limits) -> Self {
        Self {
            make,
            timeout: Timeout::new(limits.timeout, limits.budget),
            report: Report {
                tasks_checked: counts.sees_tasks(),
                ..Report::default()
            },
            counts,
            limits,
            // A type without a value to choose, as `()`, cannot say that it was refused.
            refusal_is_success: size_of::<F::Output>() == 0,
        }
    }

    pub(super) async fn run(mut self) -> Result<Report, Found> {
        self.run_at(Point::Unpolled).await?;
        self.run_at(Point::Uncancelled).await?;
        self.run_at(Point::Entry).await?;
        for at in 1..=self.report.points {
            self.run_at(Point::Waiting(at)).await?;
            self.run_at(Point::Woken(at)).await?;
        }
        for at in 1..=self.report.points {
            self.run_at(Point::Dropped(at)).await?;
        }
        Ok(self.report)
    }

    async fn run_at(&mut self, point: Point) -> Result<(), Found> {
        let found = |problem| Found {
            place: point.into(),
            problem,
        };
        let token = CancellationToken::new();
        let mut start = Driven::new((self.make)(token.clone()));
        if point != Point::Unpolled {
            let is_first = self.report.successes == 0;
            let driven = self.drive(point, &token, &mut start).await;
            driven.map_err(|problem| {
                let problem = found(problem);
                if is_first {
                    problem
                } else {
                    problem.after_a_success()
                }
            })?;
        }
        // The tasks of a start that has succeeded end with its token.
        if matches!(point, Point::Uncancelled) {
            token.cancel();
        }
        start.drop_future();
        drop(start);
        self.check_counts().await.map_err(found)
    }

    async fn drive(
        &mut self,
        point: Point,
        token: &CancellationToken,
        start: &mut Driven<F>,
    ) -> Result<(), Problem> {
        let max = self.limits.max_points;
        let (target, until_woken) = match point {
            Point::Entry => (0, false),
            Point::Waiting(at) | Point::Dropped(at) => (at, false),
            Point::Woken(at) => (at, true),
            _ => (usize::MAX, false),
        };
        let reached = self.timeout.wait(|cx| {
            let is_there = start.pending() == target && (!until_woken || start.is_woken(cx));
            if is_there || start.has_ended() || start.pending() > max {
                return Step::Done(());
            }
            match start.poll(cx) {
                Polled::Asleep => Step::Idle,
                Polled::Pending | Polled::Ended => Step::Progress,
            }
        });
        let reached = reached.await;
        reached.map_err(|expired| Self::expired(expired, start.pending(), Problem::not_up))?;
        if start.has_ended() {
            // It need not wait as often in each run.
            token.cancel();
            Self::check_success(start)?;
            if point == Point::Uncancelled {
                self.report.points = start.pending();
                self.report.successes += 1;
            } else {
                self.report.missed += 1;
            }
            return Ok(());
        }
        if start.pending() > max {
            return Err(Problem::TooManyPoints { max });
        }
        if let Point::Dropped(_) = point {
            self.report.drops += 1;
            start.drop_future();
            return Self::check_panic(start);
        }
        token.cancel();
        self.refuse(point, start).await
    }

    /// Waits for the end of a start that was cancelled.
    async fn refuse(&mut self, point: Point, start: &mut Driven<F>) -> Result<(), Problem> {
        let points = start.pending();
        let returned = self.timeout.wait(|cx| match start.poll(cx) {
            Polled::Ended => Step::Done(()),
            Polled::Pending | Polled::Asleep => Step::Idle,
        });
        let returned = returned.await;
        returned.map_err(|expired| Self::expired(expired, points, Problem::not_returned))?;
        Self::check_panic(start)?;
        let is_success = matches!(start.ended(), Some(Ok(output)) if output.failure().is_none());
        if is_success && !self.refusal_is_success {
            let has_waited = start.pending() > 0 || self.report.points == 0;
            if point != Point::Entry || has_waited {
                return Err(Problem::SucceedsThoughCancelled);
            }
            self.refusal_is_success = true;
        }
        self.report.refusals += 1;
        Ok(())
    }

    fn check_success(start: &Driven<F>) -> Result<(), Problem> {
        Self::check_panic(start)?;
        match start.ended() {
            Some(Ok(output)) => output.failure().map_or(Ok(()), |f| Err(Problem::Fails(f))),
            _ => Ok(()),
        }
    }

    fn check_panic(start: &Driven<F>) -> Result<(), Problem> {
        match start.ended() {
            Some(Err(panicked)) => Err(Problem::StartPanics(panicked.clone())),
            _ => Ok(()),
        }
    }

    /// Nothing is left that is counted.
    async fn check_counts(&self) -> Result<(), Problem> {
        let settled = self.timeout.wait(|_| match self.counts.excess() {
            Some(_) => Step::Idle,
            None => Step::Done(()),
        });
        match (settled.await, self.counts.excess()) {
            (Err(Expired::Timeout(_)), Some(excess)) => Err(Problem::Leftover(excess)),
            (Err(Expired::Budget(budget)), _) => Err(Problem::OutOfBudget {
                budget,
                left: "waiting for what is left".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn expired(
        expired: Expired,
        points: usize,
        problem: impl FnOnce(std::time::Duration, String) -> Problem,
    ) -> Problem {
        let left = format!("{} so far", counted(points, "suspension point"));
        Problem::expired(expired, left, problem)
    }
}
