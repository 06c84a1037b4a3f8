//! How a start is guarded: what the attribute says, as the runtime takes it.

use std::marker::PhantomData;

use super::body::Start;
use crate::error::StartError;
use crate::failure::Failure;
use crate::lifecycle::State;
use crate::outcome::{FromStartError, Outcome};
use crate::shared::StartFrom;
use crate::token::{AsToken, GuardToken};

/// When a function returns, and who says that the service is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It returns when the service is up. The guard publishes.
    Start,
    /// It returns when the service is over. The body publishes.
    Run,
    /// It returns when the service is over, and is published at its entry.
    RunPublished,
}

/// A start that the macro describes and then drives.
#[derive(Debug)]
#[must_use = "nothing is started until it is driven"]
pub struct StartOptions<'a, S: State> {
    pub(super) start: &'a Start<S>,
    pub(super) token: GuardToken,
    pub(super) from: StartFrom,
    pub(super) mode: Mode,
    /// The body is never interrupted.
    pub(super) is_shielded: bool,
}

impl<S: State> Start<S> {
    /// Guarded by `token`. The body does not see a child of it.
    #[inline]
    pub fn guard_by<T: AsToken + ?Sized>(&self, token: &T) -> StartOptions<'_, S> {
        self.options(GuardToken::shared(token))
    }

    /// Guarded by `token`. The body sees a child of it.
    #[inline]
    pub fn guard_by_child<T: AsToken + ?Sized>(&self, token: &T) -> StartOptions<'_, S> {
        self.options(GuardToken::child(token))
    }

    #[inline]
    pub(super) fn options(&self, token: GuardToken) -> StartOptions<'_, S> {
        StartOptions {
            start: self,
            token,
            from: StartFrom::Initial,
            mode: Mode::Start,
            is_shielded: false,
        }
    }
}

impl<S: State> StartOptions<'_, S> {
    /// The start may also begin from `STOPPED` and `FAILED`.
    pub fn restart(mut self) -> Self {
        self.from = StartFrom::Idle;
        self
    }

    /// The body is never interrupted.
    pub fn shielded(mut self) -> Self {
        self.is_shielded = true;
        self
    }

    /// The body is the service, and publishes itself.
    pub fn run(mut self) -> Self {
        self.mode = Mode::Run;
        self
    }

    /// The body is the service, and stores these states. If none of them is `RUNNING`, it is published
    /// at its entry.
    pub fn run_by_stores(self, stored: &[S]) -> Self {
        if stored.contains(&S::RUNNING) {
            self.run()
        } else {
            self.run_published()
        }
    }

    /// The body is the service, and is published at its entry.
    pub fn run_published(mut self) -> Self {
        self.mode = Mode::RunPublished;
        self
    }

    /// The body is a run without a state: its entry is guarded, and nothing else.
    pub fn run_stateless(self) -> Self {
        self.run().shielded()
    }
}

/// The value of a refused start, and how its return type tells a failure. The traits of the return
/// type are required where this is made, so a missing one is one error.
#[derive(Debug)]
pub struct OnRefused<R, A> {
    pub(super) make: A,
    pub(super) failure_of: fn(&R) -> Option<Failure>,
    returns: PhantomData<fn() -> R>,
}

impl<R, A: FnOnce(StartError) -> R> OnRefused<R, A> {
    pub(super) fn refuse(self, error: StartError) -> R {
        (self.make)(error)
    }
}

/// A refused start returns what `R` makes of a [`StartError`].
#[inline]
pub fn on_refused_default<R: FromStartError>() -> OnRefused<R, fn(StartError) -> R> {
    on_refused(R::from_start_error)
}

/// A refused start returns what `make` makes of the [`StartError`].
#[inline]
pub fn on_refused<R, A>(make: A) -> OnRefused<R, A>
where
    R: Outcome,
    A: FnOnce(StartError) -> R,
{
    OnRefused {
        make,
        failure_of: R::failure,
        returns: PhantomData,
    }
}
