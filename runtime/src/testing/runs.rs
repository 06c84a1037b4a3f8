//! The runs of one sweep.

use std::time::Duration;

use super::point::{Place, Point};
use super::problem::{Found, Problem};
use super::report::{Kind, Report};
use super::run::{Run, Setting};
use super::swept::{Client, NoClient, Swept};
use super::timeout::{Expired, Step};
use crate::sync::CancellationToken;

/// How long something that a run has begun may take to be seen, when the run itself is over.
const LATE: Duration = Duration::from_millis(100);

/// How many runs are repeated to find the one that left something.
const SUSPECTS: usize = 8;

/// How often a run is made to reach its point.
const TRIES: usize = 3;

pub(super) struct Runs<M, C> {
    pub(super) make: M,
    pub(super) client: C,
    pub(super) setting: Setting,
    pub(super) report: Report,
    /// The name of the first cell.
    pub(super) name: Option<String>,
    /// Whether the closure returns the same cell each time.
    shares_cell: bool,
    has_owner: bool,
    /// The runs so far.
    past: Vec<Point>,
}

impl<M, C, R> Runs<M, C>
where
    M: FnMut(CancellationToken) -> R,
    C: Client<R::Service>,
    R: Swept,
{
    pub(super) fn new(make: M, client: C, setting: Setting) -> Self {
        let report = Report {
            kind: Kind::Start,
            tasks_checked: setting.counts.sees_tasks(),
            client_tasks_checked: setting.counts.sees_who_spawns(),
            detached_tasks: setting.limits.detached_tasks,
            ..Report::default()
        };
        Self {
            make,
            client,
            setting,
            report,
            name: None,
            shares_cell: false,
            has_owner: false,
            past: Vec::new(),
        }
    }

    /// Makes all runs.
    pub(super) async fn run(&mut self) -> Result<(), Found> {
        match self.run_all().await {
            Err(found) if found.problem.is_leftover() => Err(self.blame(found).await),
            result => result,
        }
    }

    async fn run_all(&mut self) -> Result<(), Found> {
        self.learn().await?;
        self.run_at(Point::Entry).await?;
        for at in 1..=self.report.points {
            self.run_at(Point::Waiting(at)).await?;
            self.run_at(Point::Woken(at)).await?;
        }
        for at in 1..=self.report.points {
            self.run_at(Point::Dropped(at)).await?;
        }
        // A run holds its service, so that cannot be dropped while it is running.
        if self.has_owner && self.report.kind == Kind::Start {
            self.run_at(Point::OwnerDropped).await?;
        }
        if self.report.has_client {
            self.run_at(Point::Client).await?;
        }
        self.run_at(Point::Stopped).await?;
        self.check_late().await
    }

    /// The run in which nothing is polled, and the one that nothing cancels until it has published.
    async fn learn(&mut self) -> Result<(), Found> {
        let unpolled = Run::new(&mut self.make);
        self.has_owner = unpolled.is_owner();
        self.name = unpolled.name().map(str::to_owned);
        let cell = unpolled.leave_unpolled(&mut self.setting).await;
        let cell = cell.map_err(|problem| found(Point::Unpolled, problem))?;
        self.past.push(Point::Unpolled);

        let mut run = Run::new(&mut self.make);
        self.shares_cell = run.is_on(&cell);
        drop(cell);
        let up = run.run_up(Point::Running, &mut self.client, &self.setting);
        let up = up.await;
        up.map_err(|(point, problem)| found(point, problem))?;
        self.report.points = run.points();
        self.report.successes = 1;
        self.report.ended_by_itself = usize::from(run.ended_by_itself());
        if run.goes_on() {
            self.report.kind = Kind::Run;
        }
        self.report.ended_in = Some(run.ended_in());
        self.past.push(Point::Running);
        Ok(())
    }

    /// One run, and the start after that on the same service.
    async fn run_at(&mut self, point: Point) -> Result<(), Found> {
        self.check_early().await?;
        let mut is_reached = false;
        for _ in 0..TRIES {
            let reached = self.run_once(point).await;
            is_reached = reached.map_err(Found::after_a_success)?;
            self.past.push(point);
            if is_reached {
                break;
            }
        }
        self.count(point, is_reached);
        let is_refusal = !matches!(point, Point::OwnerDropped | Point::Client | Point::Stopped);
        if is_refusal && self.shares_cell && !self.setting.limits.fresh_only {
            self.run_again(point).await?;
        }
        Ok(())
    }

    fn count(&mut self, point: Point, is_reached: bool) {
        let counted = match point {
            _ if !is_reached => &mut self.report.missed,
            Point::Dropped(_) => &mut self.report.drops,
            Point::Entry | Point::Waiting(_) | Point::Woken(_) => &mut self.report.refusals,
            Point::Stopped => &mut self.report.stops,
            _ => &mut self.report.successes,
        };
        *counted += 1;
    }

    /// Returns whether the start has come to this point. It may have been up before, because it need
    /// not wait as often in each run.
    async fn run_once(&mut self, point: Point) -> Result<bool, Found> {
        let mut run = Run::new(&mut self.make);
        let found = |(point, problem)| found(point, problem);
        match point {
            Point::Unpolled => {
                let cell = run.leave_unpolled(&mut self.setting).await;
                cell.map_err(|problem| found((point, problem)))?;
                Ok(true)
            }
            Point::Stopped => {
                let up = run.run_up(point, &mut self.client, &self.setting).await;
                up.map_err(found)?;
                self.report.stopped_in = Some(run.ended_in());
                Ok(true)
            }
            Point::Uncancelled | Point::Running | Point::Client | Point::OwnerDropped => {
                let up = run.run_up(point, &mut self.client, &self.setting).await;
                let owner_drop = up.map_err(found)?;
                self.report.ended_by_itself += usize::from(run.ended_by_itself());
                self.report.owner_drop = self.report.owner_drop.or(owner_drop);
                Ok(true)
            }
            Point::Entry | Point::Waiting(_) | Point::Woken(_) | Point::Dropped(_) => {
                let refused = run.run_refused(point, &mut self.setting).await;
                refused.map_err(found)
            }
        }
    }

    /// The start on the same service, after a run at `point`.
    async fn run_again(&mut self, point: Point) -> Result<(), Found> {
        let mut run = Run::new(&mut self.make);
        let mut client = NoClient;
        let up = run.run_up(Point::Running, &mut client, &self.setting);
        let up = up.await;
        up.map_err(|(_, problem)| Found {
            place: Place {
                point,
                is_again: true,
            },
            problem: problem.again(),
        })?;
        *self.report.restarts.get_or_insert_default() += 1;
        Ok(())
    }

    /// Nothing has been left since the last run was checked.
    async fn check_early(&mut self) -> Result<(), Found> {
        self.check_counts(Duration::ZERO).await
    }

    /// What is counted may rise after the last run is over, because of a thread that it has begun.
    async fn check_late(&mut self) -> Result<(), Found> {
        if self.setting.counts.has_counted() {
            self.check_counts(LATE).await?;
        }
        Ok(())
    }

    async fn check_counts(&mut self, late: Duration) -> Result<(), Found> {
        let Setting {
            timeout, counts, ..
        } = &self.setting;
        if late.is_zero() && counts.excess().is_none() {
            return Ok(());
        }
        let place = self.past.last().copied().unwrap_or(Point::Unpolled);
        let risen = timeout.wait_for(late, |_| match counts.excess() {
            Some(_) => Step::Done(()),
            None => Step::Idle,
        });
        if risen.await.is_err() {
            return Ok(());
        }
        let settled = timeout.wait(|_| match counts.excess() {
            Some(_) => Step::Idle,
            None => Step::Done(()),
        });
        match (settled.await, counts.excess()) {
            (Err(Expired::Timeout(_)), Some(excess)) => {
                Err(found(place, Problem::Leftover(excess)))
            }
            (Err(Expired::Budget(budget)), _) => {
                let left = "waiting for what is left".to_owned();
                Err(found(place, Problem::OutOfBudget { budget, left }))
            }
            _ => Ok(()),
        }
    }

    /// Finds the run that has left something, by repeating the last ones, each with some time after
    /// it.
    async fn blame(&mut self, leftover: Found) -> Found {
        let mut suspects: Vec<Point> = self.past.iter().rev().take(SUSPECTS).copied().collect();
        suspects.reverse();
        for point in suspects {
            self.setting.counts.rebase();
            let repeated = self.run_once(point).await;
            if let Err(repeated) = repeated {
                if repeated.problem.is_leftover() {
                    return found(point, leftover.problem);
                }
                return leftover;
            }
            if self.check_counts(LATE).await.is_err() {
                return found(point, leftover.problem);
            }
        }
        leftover
    }
}

fn found(point: Point, problem: Problem) -> Found {
    Found {
        place: point.into(),
        problem,
    }
}
