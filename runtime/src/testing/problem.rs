//! The problems that a sweep finds. Each is a sentence, and what to do about it.

use std::fmt;
use std::time::Duration;

use super::counts::Excess;
use super::point::Place;
use super::timeout::Expired;
use crate::failure::{Failure, FailureKind};

/// A problem, and the run that shows it.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) problem: Problem,
}

impl Found {
    /// The same, if a start has been up before.
    pub(super) fn after_a_success(self) -> Self {
        Self {
            problem: self.problem.again(),
            ..self
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Something that does not hold of the start, or of the service.
pub(super) enum Problem {
    NeverPublishes {
        waited: Duration,
        left: String,
    },
    TooManyPoints {
        max: usize,
    },
    Fails(Failure),
    FailsAgain(Failure),
    StartPanics(Failure),
    NotGuarded {
        state: &'static str,
    },
    EndsUnpublished {
        state: &'static str,
    },
    DoesNotBeginAgain(Failure),
    BegunUnpolled {
        state: &'static str,
    },
    Unserved {
        tasks: usize,
        parts: usize,
    },
    ClientUnserved {
        tasks: usize,
    },
    CellHeld,
    Leftover(Excess),
    EntryWaits,
    EntryBegins,
    StillRunning,
    PublishedLate,
    SucceedsUnpublished,
    FailsThoughPublished(Failure),
    NotReturned {
        waited: Duration,
        left: String,
    },
    NotEnded {
        waited: Duration,
        left: String,
    },
    NotEndedWithClient {
        waited: Duration,
        left: String,
    },
    NotEndedWhenStopped {
        waited: Duration,
        left: String,
    },
    EndsInFailure(Failure),
    EndsByItself,
    EndsWithoutFailure,
    NotFailed {
        state: &'static str,
    },
    NoCause,
    WrongCause {
        failure: Failure,
        expected: FailureKind,
    },
    TokenLive,
    ClientHangs {
        waited: Duration,
        left: String,
    },
    ClientPanics(Failure),
    SucceedsThoughCancelled,
    OutOfBudget {
        budget: Duration,
        left: String,
    },
}

impl Problem {
    /// The problem of a wait that has ended: `problem` if nothing happened any more.
    pub(super) fn expired(
        expired: Expired,
        left: String,
        problem: impl FnOnce(Duration, String) -> Self,
    ) -> Self {
        match expired {
            Expired::Timeout(waited) => problem(waited, left),
            Expired::Budget(budget) => Self::OutOfBudget { budget, left },
        }
    }

    pub(super) fn not_up(waited: Duration, left: String) -> Self {
        Self::NeverPublishes { waited, left }
    }

    pub(super) fn not_returned(waited: Duration, left: String) -> Self {
        Self::NotReturned { waited, left }
    }

    pub(super) fn not_ended(waited: Duration, left: String) -> Self {
        Self::NotEnded { waited, left }
    }

    /// The problem of a start that comes after one that could start.
    pub(super) fn again(self) -> Self {
        match self {
            Self::Fails(failure) => Self::FailsAgain(failure),
            problem => problem,
        }
    }

    /// The problem of a service that its client was with.
    pub(super) fn with_client(self) -> Self {
        match self {
            Self::NotEnded { waited, left } => Self::NotEndedWithClient { waited, left },
            problem => problem,
        }
    }

    /// The problem of a service that was told to stop, and whose token was not cancelled.
    pub(super) fn when_stopped(self) -> Self {
        match self {
            Self::NotEnded { waited, left } => Self::NotEndedWhenStopped { waited, left },
            problem => problem,
        }
    }

    /// Whether an earlier run may have left what was found.
    pub(super) fn is_leftover(&self) -> bool {
        matches!(self, Self::Leftover(_))
    }
}

impl fmt::Display for Problem {
    #[allow(clippy::too_many_lines)] // One arm a problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverPublishes { waited, left } => write!(
                f,
                "the start has done nothing for {waited:?} and is not up ({left}); if it \
                 runs until it is cancelled, write `run`; if it waits for what it serves, let it not: \
                 what is served runs only once the start has returned, also if it is spawned (a task \
                 that it needs before is joined in what is served); if it is slow, set `Sweep::timeout`"
            ),
            Self::TooManyPoints { max } => write!(
                f,
                "the start has waited more than {max} times and is not up; if it runs until \
                 it is cancelled, write `run`; if it is a long start, set `Sweep::max_points`"
            ),
            Self::Fails(failure) => write!(
                f,
                "the start fails though nothing cancels it: {failure}; let the closure of `sweep` \
                 return a service that can start"
            ),
            Self::FailsAgain(failure) => write!(
                f,
                "the start fails: {failure}; a start before it has left something that keeps the next \
                 one from starting; let a `Drop` take it back, because a start that is cancelled is \
                 dropped where it waits"
            ),
            Self::StartPanics(failure) => write!(f, "the start {failure}; catch it, or mend it"),
            Self::NotGuarded { state } => write!(
                f,
                "the start has returned, and the cell still reads `{state}`; guard the start with \
                 `state = ..`, and return the cell of this very service"
            ),
            Self::EndsUnpublished { state } => write!(
                f,
                "the start has returned success and has never published (the cell reads \
                 `{state}`); publish a `run` by `store` or by its publisher, or return an error"
            ),
            Self::DoesNotBeginAgain(failure) => write!(
                f,
                "the start does not begin again on the same cell: {failure}; write `restart`, or \
                 make a new service for each run"
            ),
            Self::BegunUnpolled { state } => write!(
                f,
                "the start has moved the cell to `{state}` before its first poll; put all of it \
                 into the future, as in `async move {{ server.start(shutdown).await }}`"
            ),
            Self::Unserved { tasks, parts } => write!(
                f,
                "{} that the start has spawned {} neither served nor tracked (it has {}); spawn \
                 `STATE.serve(..)` or `STATE.track(..)`; if a part joins it, or another cell serves it, \
                 or a library spawns it, as axum does for each connection, allow for it by \
                 `Sweep::detached_tasks`",
                counted(*tasks, "task"),
                if *tasks == 1 { "is" } else { "are" },
                counted(*parts, "part"),
            ),
            Self::ClientUnserved { tasks } => write!(
                f,
                "{} that the service has spawned for the client {} neither served nor tracked; \
                 spawn `STATE.track(..)`; if a part joins it, or a library spawns it, as axum does for \
                 each connection, allow for it by `Sweep::detached_tasks`",
                counted(*tasks, "task"),
                if *tasks == 1 { "is" } else { "are" },
            ),
            Self::CellHeld => f.write_str(
                "something that the start has spawned still holds the cell; spawn `STATE.serve(..)` \
                 or `STATE.track(..)`, or let it end with the token of the body",
            ),
            Self::Leftover(Excess { what, now, before }) => write!(
                f,
                "{what}: {now} now, {before} before; something that the start has begun outlives \
                 it; serve it, or let it end when it is dropped or its token is cancelled"
            ),
            Self::EntryWaits => f.write_str(
                "the start waits under a token that is already cancelled; pass the guarded start \
                 as it is, with nothing awaited before it",
            ),
            Self::EntryBegins => f.write_str(
                "an attempt has begun under a token that is already cancelled; guard the start by \
                 the token that the closure of `sweep` gets",
            ),
            Self::StillRunning => f.write_str(
                "`cancel()` has returned, and the cell reads RUNNING; guard the start by the token \
                 that the closure of `sweep` gets",
            ),
            Self::PublishedLate => f.write_str(
                "the start has published after `cancel()` had returned; guard it by the token that \
                 the closure of `sweep` gets",
            ),
            Self::SucceedsUnpublished => f.write_str(
                "the start has returned success and has not published; return what the guarded \
                 start returns",
            ),
            Self::FailsThoughPublished(failure) => write!(
                f,
                "the start has published, and returned a failure: {failure}; return what the \
                 guarded start returns"
            ),
            Self::NotReturned { waited, left } => write!(
                f,
                "the start has not returned {waited:?} after it was cancelled ({left}); end what it \
                 does in a `#[shielded]` step, or around the guarded start"
            ),
            Self::NotEndedWithClient { waited, left } => write!(
                f,
                "the service was told to stop while its client was there, and no part of it has ended \
                 for {waited:?} ({left}); let what is left watch the token; if it waits for the client \
                 though it was told to stop, as for the end of a request, only `stop_or_abort` drops \
                 it: let the client end it"
            ),
            Self::NotEndedWhenStopped { waited, left } => write!(
                f,
                "the service was told to stop by its cell, and no part of it has ended for {waited:?} \
                 ({left}), though it ends when its token is cancelled: it watches another token than \
                 its own; let what is left watch the token that the body sees, or `STATE.token()`"
            ),
            Self::NotEnded { waited, left } => write!(
                f,
                "the service was told to stop, and no part of it has ended for {waited:?} ({left}); \
                 let what is left watch the token, and call no `stop().await` in it; if it is slow, \
                 set `Sweep::timeout`"
            ),
            Self::EndsInFailure(failure) if failure.was_told_to_end() => write!(
                f,
                "the service fails when it is told to stop: {failure}; let it end in success, or say \
                 `Sweep::ends_in_failure`; if it fails by itself a while after its start, mend that; if \
                 it is the failure of one client, `track` that client, and do not `serve` it"
            ),
            Self::EndsInFailure(failure) => write!(
                f,
                "the service fails by itself once it is running: {failure}; mend it, or say \
                 `Sweep::ends_in_failure`; if the drop of the service aborts its tasks, let its `Drop` \
                 call `request_stop()` before; if it is the failure of one client, `track` that client, and \
                 do not `serve` it"
            ),
            Self::EndsByItself => f.write_str(
                "the service has ended by itself, before it was cancelled; let what it serves run \
                 until the token is cancelled (is a `loop` missing?), or say `Sweep::ends_by_itself`; if \
                 it ends when the service is dropped, return the service in front of the cell",
            ),
            Self::EndsWithoutFailure => f.write_str(
                "the service has ended in STOPPED, and not in FAILED; remove \
                 `Sweep::ends_in_failure`",
            ),
            Self::NotFailed { state } => write!(
                f,
                "the start is refused, and the cell reads `{state}`; guard the start with `state = \
                 ..` and by the token that the closure of `sweep` gets"
            ),
            Self::NoCause => f.write_str("the cell reads FAILED without a cause"),
            Self::WrongCause { failure, expected } => write!(
                f,
                "the cause is {failure:?}, and not `{expected:?}`; guard the start by the token that \
                 the closure of `sweep` gets, and call `fail` only for a failure"
            ),
            Self::TokenLive => f.write_str("the attempt has ended, and its token is not cancelled"),
            Self::ClientHangs { waited, left } => write!(
                f,
                "the client has not ended, and nothing has happened for {waited:?} ({left}); let the \
                 closure of `while_running` return what it keeps open, and not wait for its end"
            ),
            Self::ClientPanics(failure) => write!(f, "the client of `while_running` {failure}"),
            Self::SucceedsThoughCancelled => f.write_str(
                "the start has returned success though its token was cancelled before; guard it by \
                 `#[cancel_guarded]`, and by the token that the closure of `sweep_fn` gets",
            ),
            Self::OutOfBudget { budget, left } => write!(
                f,
                "the sweep has used up its {budget:?} ({left}); shorten what the start waits for, or \
                 set `Sweep::budget`"
            ),
        }
    }
}

/// `1 task`, `2 tasks`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
