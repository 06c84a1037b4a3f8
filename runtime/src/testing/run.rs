//! One run of a start on a cell.

mod checks;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Limits;
use super::counts::Counts;
use super::driven::{Driven, Polled};
use super::point::Point;
use super::problem::{Problem, counted};
use super::report::OwnerDrop;
use super::swept::{Client, Parts, Swept};
use super::timeout::{Expired, Step, Timeout};
use crate::as_cell::AsCell;
use crate::cell::StateCell;
use crate::failure::{Failure, FailureKind};
use crate::lifecycle::State;
use crate::outcome::Outcome as _;
use crate::shared::{AttemptId, History, PartsCount, Phase, Snapshot};
use crate::sync::CancellationToken;

/// The things that all runs of a sweep share.
pub(super) struct Setting {
    pub(super) timeout: Timeout,
    pub(super) counts: Counts,
    pub(super) limits: Limits,
    /// The handles to the cell that are left when nothing was polled: the closure keeps them.
    pub(super) baseline_handles: usize,
    /// A refusal is no failure by its outcome.
    pub(super) refusal_is_success: bool,
}

/// One start, what it was made with, and what there was before it.
pub(super) struct Run<R: Swept> {
    cell: StateCell<R::State>,
    service: Option<R::Service>,
    /// Whether the service is more than the cell.
    is_owner: bool,
    start: Driven<R::Start>,
    token: CancellationToken,
    own_token: Option<CancellationToken>,
    attempt_before: AttemptId,
    history_before: History,
    /// The tasks that were spawned while the start was polled.
    spawned: usize,
    /// How often the start has waited before it published.
    points: usize,
    /// Whether the body went on after it had published.
    goes_on: bool,
    /// Whether the service had come to its end before the sweep cancelled it.
    ended_by_itself: bool,
}

/// How far a start was driven.
pub(super) enum Reached {
    Point,
    /// The body has published and goes on: it is the service.
    Published,
    Returned,
    TooManyPoints,
}

/// The part of a cell whose change is progress.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    attempt: AttemptId,
    phase: Phase,
    state: u8,
    parts: PartsCount,
}

impl<R: Swept> Run<R> {
    pub(super) fn new(make: &mut impl FnMut(CancellationToken) -> R) -> Self {
        let token = CancellationToken::new();
        let Parts {
            service,
            is_owner,
            cell,
            start,
        } = make(token.clone()).into_parts();
        Self {
            attempt_before: cell.as_handle().load().attempt(),
            history_before: cell.as_handle().history(),
            cell,
            service: Some(service),
            is_owner,
            start: Driven::new(start),
            token,
            own_token: None,
            spawned: 0,
            points: 0,
            goes_on: false,
            ended_by_itself: false,
        }
    }

    fn word(&self) -> Snapshot<R::State> {
        self.cell.as_handle().load()
    }

    fn see(&self) -> Seen {
        let (word, parts) = self.cell.as_handle().count_parts();
        Seen {
            attempt: word.attempt(),
            phase: word.phase(),
            state: word.state().index(),
            parts,
        }
    }

    fn num_parts(&self) -> usize {
        let (_, parts) = self.cell.as_handle().count_parts();
        parts.total()
    }

    fn has_published(&self) -> bool {
        self.cell.as_handle().history().published > self.history_before.published
    }

    fn has_begun(&self) -> bool {
        self.cell.as_handle().history().begun > self.history_before.begun
    }

    /// The state, and the parts that are left.
    pub(super) fn describe(&self) -> String {
        let (word, parts) = self.cell.as_handle().count_parts();
        let body = word.has_body().then(|| "the body".to_owned());
        let kinds = [
            (parts.served, "served future"),
            (parts.local, "local future"),
            (parts.guards, "guard"),
            (parts.tracked, "tracked future"),
        ];
        let kinds = kinds.into_iter().filter(|(number, _)| *number > 0);
        let left: Vec<String> = body
            .into_iter()
            .chain(kinds.map(|(number, kind)| counted(number, kind)))
            .collect();
        let left = if left.is_empty() {
            "nothing".to_owned()
        } else {
            left.join(", ")
        };
        let points = counted(self.points, "suspension point");
        let state = word.state().name();
        format!("{points} so far, state `{state}`, left: {left}")
    }

    /// Polls the start, if it was woken.
    fn poll_start(&mut self, cx: &Context<'_>, counts: &Counts) -> Polled {
        if self.start.has_ended() {
            return Polled::Ended;
        }
        let tasks = counts.tasks();
        let polled = self.start.poll(cx);
        if polled == Polled::Pending && !self.token.is_cancelled() && !self.has_published() {
            self.points += 1;
        }
        if polled != Polled::Asleep {
            self.spawned += counts.tasks().saturating_sub(tasks);
            if self.own_token.is_none() {
                self.own_token = self.cell.token();
            }
        }
        polled
    }

    /// Whether no attempt of this run has moved the cell.
    fn is_untouched(&self) -> bool {
        self.word().attempt() == self.attempt_before
    }

    /// Drops everything but the cell.
    fn drop_all(&mut self) {
        self.start.drop_future();
        self.service = None;
    }

    fn returned_failure(&self) -> Option<Failure> {
        match self.start.ended()? {
            Ok(output) => output.failure(),
            Err(panicked) => Some(panicked.clone()),
        }
    }

    fn panicked(&self) -> Option<Failure> {
        self.start.ended()?.as_ref().err().cloned()
    }

    fn num_handles(&self) -> usize {
        self.cell.as_handle().num_handles()
    }

    /// The name of the cell.
    pub(super) fn name(&self) -> Option<&str> {
        self.cell.as_handle().name()
    }

    /// Whether this run has the cell of another one.
    pub(super) fn is_on(&self, cell: &StateCell<R::State>) -> bool {
        Arc::ptr_eq(self.cell.as_handle(), cell.as_handle())
    }

    /// Whether the body is the service, and went on after it had published.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Whether the service had come to its end before the sweep cancelled it.
    pub(super) fn ended_by_itself(&self) -> bool {
        self.ended_by_itself
    }

    pub(super) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// How often the start has waited before it published.
    pub(super) fn points(&self) -> usize {
        self.points
    }

    pub(super) fn ended_in(&self) -> &'static str {
        self.cell.state().name()
    }
}

impl<R: Swept> Run<R> {
    /// The run in which nothing is polled. Returns the cell.
    pub(super) async fn leave_unpolled(
        mut self,
        setting: &mut Setting,
    ) -> Result<StateCell<R::State>, Problem> {
        let begun = |run: &Self| Problem::BegunUnpolled {
            state: run.ended_in(),
        };
        if !self.word().is_idle() {
            return Err(begun(&self));
        }
        // The drop of the service may stop it.
        self.drop_all();
        if self.has_begun() || !self.word().is_idle() {
            return Err(begun(&self));
        }
        setting.baseline_handles = self.num_handles();
        self.check_counts(setting).await?;
        Ok(self.cell)
    }

    /// A run that nothing cancels until it has published, and that is cancelled, or told to stop, then.
    pub(super) async fn run_up<C: Client<R::Service>>(
        &mut self,
        point: Point,
        client: &mut C,
        setting: &Setting,
    ) -> Result<Option<OwnerDrop>, (Point, Problem)> {
        let not_up = |problem| (Point::Uncancelled, problem);
        let driven = self.drive(Point::Uncancelled, setting).await;
        self.check_reached(driven, setting).map_err(not_up)?;
        self.goes_on = !self.start.has_ended();
        self.check_tasks(setting).await.map_err(not_up)?;
        // What is served runs, and may fail by itself.
        self.give_turns(setting).await.map_err(not_up)?;
        self.ended_by_itself = self.word().is_told_to_end();
        let mut owner_drop = None;
        if point == Point::OwnerDropped {
            owner_drop = Some(self.drop_owner(setting).await.map_err(|p| (point, p))?);
        }
        let result = match point {
            Point::Client | Point::Stopped => self.play(point, client, setting).await,
            _ => self.cancel_and_end(setting).await,
        };
        let point = match point {
            Point::Client | Point::OwnerDropped | Point::Stopped => point,
            _ => Point::Running,
        };
        result.map(|()| owner_drop).map_err(|p| (point, p))
    }

    /// A run that is cancelled, or dropped, at `point`. Returns whether it was refused: a start need
    /// not wait as often in each run.
    pub(super) async fn run_refused(
        &mut self,
        point: Point,
        setting: &mut Setting,
    ) -> Result<bool, (Point, Problem)> {
        match self.drive(point, setting).await {
            Ok(Reached::Point) => {}
            driven => {
                let reached = self.check_reached(driven, setting);
                reached.map_err(|p| (Point::Uncancelled, p))?;
                let ended = self.cancel_and_end(setting).await;
                return ended.map(|()| false).map_err(|p| (Point::Running, p));
            }
        }
        let refused = match point {
            Point::Dropped(_) => self.drop_start(setting).await.map(|()| true),
            _ => self.cancel_start(point, setting).await,
        };
        refused.map_err(|p| (point, p))
    }

    /// Drives the start to `point`.
    async fn drive(&mut self, point: Point, setting: &Setting) -> Result<Reached, Expired> {
        let (target, until_woken) = match point {
            Point::Entry | Point::Unpolled => return Ok(Reached::Point),
            Point::Waiting(at) | Point::Dropped(at) => (at, false),
            Point::Woken(at) => (at, true),
            Point::Uncancelled
            | Point::Running
            | Point::Client
            | Point::OwnerDropped
            | Point::Stopped => (usize::MAX, false),
        };
        let (counts, max) = (&setting.counts, setting.limits.max_points);
        let driven = setting.timeout.wait(|cx| {
            if self.has_published() && !self.start.has_ended() {
                return Step::Done(Reached::Published);
            }
            if self.points == target && self.start.is_woken(cx) {
                return Step::Done(Reached::Point);
            }
            match self.poll_start(cx, counts) {
                Polled::Asleep => Step::Idle,
                Polled::Ended => Step::Done(Reached::Returned),
                Polled::Pending if self.has_published() => Step::Done(Reached::Published),
                Polled::Pending if self.points > max => Step::Done(Reached::TooManyPoints),
                Polled::Pending if self.points == target && !until_woken => {
                    Step::Done(Reached::Point)
                }
                Polled::Pending => Step::Progress,
            }
        });
        driven.await
    }

    /// Waits until `is_over` holds. The start is polled meanwhile, if it goes on.
    ///
    /// It was up, or it is told to end: that it is woken is no progress any more, because a loop with
    /// a timer is woken for ever.
    async fn wait_until(
        &mut self,
        setting: &Setting,
        is_over: impl Fn(&Self, &Counts) -> bool,
    ) -> Result<(), Expired> {
        let mut seen = self.see();
        let counts = &setting.counts;
        let waited = setting.timeout.wait(|cx| {
            self.poll_start(cx, counts);
            if is_over(self, counts) {
                return Step::Done(());
            }
            let before = std::mem::replace(&mut seen, self.see());
            if before == seen {
                Step::Idle
            } else {
                Step::Progress
            }
        });
        waited.await
    }

    async fn give_turns(&mut self, setting: &Setting) -> Result<(), Problem> {
        let counts = &setting.counts;
        let given = setting.timeout.give_turns(|cx| {
            self.poll_start(cx, counts);
            Step::<()>::Idle
        });
        let given = given.await;
        given.map_err(|expired| self.out_of_budget(expired))?;
        Ok(())
    }

    fn out_of_budget(&self, expired: Expired) -> Problem {
        Problem::expired(expired, self.describe(), |budget, left| {
            Problem::OutOfBudget { budget, left }
        })
    }

    /// Drops the service while it is running.
    async fn drop_owner(&mut self, setting: &Setting) -> Result<OwnerDrop, Problem> {
        self.service = None;
        self.give_turns(setting).await?;
        Ok(if self.word().is_told_to_end() {
            OwnerDrop::Ends
        } else {
            OwnerDrop::RunsOn
        })
    }

    /// Lets the client play, if there is one, and ends the service while what the client keeps is still
    /// there.
    async fn play<C: Client<R::Service>>(
        &mut self,
        point: Point,
        client: &mut C,
        setting: &Setting,
    ) -> Result<(), Problem> {
        let played = self
            .service
            .clone()
            .and_then(|service| client.play(service));
        let mut client = played.map(Driven::new);
        if let Some(client) = &mut client {
            self.drive_client(client, setting).await?;
            // What the client has done may end the service.
            self.give_turns(setting).await?;
            self.ended_by_itself |= self.word().is_told_to_end();
        }
        if point == Point::Stopped {
            return self.stop_and_end(setting).await;
        }
        let ended = self.cancel_and_end(setting).await;
        ended.map_err(Problem::with_client)
    }

    async fn drive_client<F: Future>(
        &mut self,
        client: &mut Driven<F>,
        setting: &Setting,
    ) -> Result<(), Problem> {
        let counts = &setting.counts;
        let (tasks_before, parts_before) = (counts.tasks(), self.num_parts());
        let mut spawned = 0;
        let mut seen = self.see();
        let played = setting.timeout.wait(|cx| {
            self.poll_start(cx, counts);
            let tasks = counts.tasks();
            let polled = client.poll(cx);
            spawned += counts.tasks().saturating_sub(tasks);
            let before = std::mem::replace(&mut seen, self.see());
            match polled {
                Polled::Ended => Step::Done(()),
                Polled::Asleep if before == seen => Step::Idle,
                Polled::Asleep | Polled::Pending => Step::Progress,
            }
        });
        let played = played.await;
        played.map_err(|expired| {
            Problem::expired(expired, self.describe(), |waited, left| {
                Problem::ClientHangs { waited, left }
            })
        })?;
        if let Some(Err(panicked)) = client.ended() {
            self.ended_by_itself |= self.word().is_told_to_end();
            if self.ended_by_itself {
                // The service has left its client: what is wrong with it says more.
                self.cancel_and_end(setting).await?;
            }
            return Err(Problem::ClientPanics(panicked.clone()));
        }
        if !counts.sees_who_spawns() {
            return Ok(());
        }
        let unserved = |run: &Self, counts: &Counts| {
            let served = tasks_before + spawned + run.num_parts();
            (counts.tasks() + parts_before).saturating_sub(served + setting.limits.detached_tasks)
        };
        let waited = self
            .wait_until(setting, |run, counts| unserved(run, counts) == 0)
            .await;
        waited.map_err(|expired| {
            let tasks = unserved(self, counts);
            Problem::expired(expired, self.describe(), |_, _| Problem::ClientUnserved {
                tasks,
            })
        })
    }

    /// Cancels a service that has published, and waits for its end.
    async fn cancel_and_end(&mut self, setting: &Setting) -> Result<(), Problem> {
        self.token.cancel();
        if self.cell.is_running() {
            return Err(Problem::StillRunning);
        }
        self.end_published(setting).await
    }

    /// Tells a service that has published to stop, and waits for its end.
    async fn stop_and_end(&mut self, setting: &Setting) -> Result<(), Problem> {
        let is_first = self.cell.request_stop();
        let ended = self.end_published(setting).await;
        ended.map_err(Problem::when_stopped)?;
        if is_first {
            // The closure may return this cell again, or its owner may want to start it.
            self.cell.rearm();
        }
        Ok(())
    }

    async fn end_published(&mut self, setting: &Setting) -> Result<(), Problem> {
        let ended = self.wait_until(setting, |run, _| {
            run.start.has_ended() && run.word().is_idle()
        });
        let ended = ended.await;
        ended.map_err(|expired| self.not_ended(expired))?;
        self.check_end(setting)?;
        self.check_token()?;
        // After a stop, for what may outlive the service: it ends with the caller's token.
        self.token.cancel();
        self.drop_all();
        self.check_counts(setting).await?;
        if setting.counts.sees_tasks() {
            // Nothing is left of the service that could hold the cell. Others may.
            return Ok(());
        }
        self.check_handles(setting).await
    }

    /// Cancels a start at `point`. Returns whether it was refused.
    async fn cancel_start(&mut self, point: Point, setting: &mut Setting) -> Result<bool, Problem> {
        self.token.cancel();
        if self.cell.is_running() {
            return Err(Problem::StillRunning);
        }
        if self.has_published() {
            // A publisher in another task was faster.
            self.end_published(setting).await?;
            return Ok(false);
        }
        if point == Point::Entry {
            let counts = &setting.counts;
            let polled = poll_fn(|cx| Poll::Ready(self.poll_start(cx, counts))).await;
            if polled != Polled::Ended {
                return Err(Problem::EntryWaits);
            }
        } else {
            let returned = self.wait_until(setting, |run, _| run.start.has_ended());
            let returned = returned.await;
            returned.map_err(|expired| {
                Problem::expired(expired, self.describe(), Problem::not_returned)
            })?;
        }
        if let Some(panicked) = self.panicked() {
            return Err(Problem::StartPanics(panicked));
        }
        if self.has_published() {
            return Err(Problem::PublishedLate);
        }
        let failure = self.returned_failure();
        if failure.is_none() && !setting.refusal_is_success {
            let is_refused = self.word().phase() == Phase::Failed && !self.is_untouched();
            if point != Point::Entry || !is_refused {
                return Err(Problem::SucceedsUnpublished);
            }
            setting.refusal_is_success = true;
        }
        self.check_refused(FailureKind::Cancelled, setting).await?;
        if point == Point::Entry && self.has_begun() {
            return Err(Problem::EntryBegins);
        }
        Ok(true)
    }

    /// Drops a start where it waits.
    async fn drop_start(&mut self, setting: &Setting) -> Result<(), Problem> {
        self.start.drop_future();
        if let Some(panicked) = self.panicked() {
            return Err(Problem::StartPanics(panicked));
        }
        self.check_refused(FailureKind::Dropped, setting).await
    }
}
