//! The futures that a service is made of: what `serve`, `serve_local` and `track` return.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::failure::Failure;
use crate::lifecycle::State;
use crate::outcome::ServedOutcome;
use crate::shared::{Handle, Part, PartFailure, PartKind, PendingFuture, Phase, PollPart};
use crate::trace;
use crate::unwind::{CaughtPanic, TaskWaker};

/// A part of a service: what [`StateCell::serve`](crate::StateCell::serve),
/// [`serve_local`](crate::StateCell::serve_local) and [`track`](crate::StateCell::track) return.
/// Spawn it.
///
/// It runs once the start has published, and yields `Some` of the future's output, or `None` if the
/// future was dropped before it had ended: the start was refused, or the service aborted.
///
/// # Cancellation safety
///
/// Dropping what `serve` or `serve_local` returned, before it has ended, fails the service. Dropping
/// what `track` returned drops its future, and nothing more.
#[must_use = "it does nothing until it is spawned, and a served future that is dropped fails the service: spawn it"]
pub struct Served<S: State, F> {
    handle: Handle<S>,
    stage: Stage<F>,
}

enum Stage<F> {
    /// The attempt had not published at the last poll. The list of parts keeps the future, unless
    /// only this task may drop it.
    Waiting {
        part: Part,
        local: Option<Pin<Box<F>>>,
        was_polled: bool,
    },
    Running {
        part: Part,
        future: Pin<Box<F>>,
        /// The waker that the list of parts has.
        task: TaskWaker,
    },
    Done,
}

impl<S: State, F> Served<S, F> {
    /// A `Send` future. Any thread that refuses the attempt can drop it.
    #[track_caller]
    pub(crate) fn new(handle: &Handle<S>, kind: PartKind, future: F) -> Self
    where
        F: Send + 'static,
    {
        Self::join(handle, kind, Some(Box::new(future)), None)
    }

    /// A future that only its own task can drop.
    #[track_caller]
    pub(crate) fn local(handle: &Handle<S>, future: F) -> Self {
        Self::join(handle, PartKind::Local, None, Some(Box::pin(future)))
    }

    #[track_caller]
    fn join(
        handle: &Handle<S>,
        kind: PartKind,
        pending: Option<PendingFuture>,
        local: Option<Pin<Box<F>>>,
    ) -> Self {
        let stage = match handle.join(kind, pending) {
            Ok(part) => Stage::Waiting {
                part,
                local,
                was_polled: false,
            },
            Err((word, pending)) => {
                drop((pending, local));
                let has_begun = word.phase() != Phase::Initial;
                if !has_begun {
                    trace::warn_no_attempt(handle, kind);
                }
                debug_assert!(
                    has_begun,
                    "no start of this cell is under way, so the future was dropped; call `serve` in \
                     the body of a start that is guarded with `state = ..` for this very cell \
                     (release builds only log this)"
                );
                Stage::Done
            }
        };
        Self {
            handle: handle.clone(),
            stage,
        }
    }

    /// Releases the part when `future` has been dropped. The failure that it ended with is recorded
    /// before.
    fn release<T>(
        &self,
        part: Part,
        future: T,
        failure: Option<PartFailure>,
        panics: &mut CaughtPanic,
    ) {
        let has_failed = failure.is_some();
        let fail = |failure| self.handle.fail_part(part, failure);
        failure.map(fail);
        panics.catch(|| drop(future));
        if !has_failed && !part.is_tracked() {
            panics.failure().map(PartFailure::Failed).map(fail);
        }
        self.handle.release_part(part);
    }

    /// The future has ended by itself, with `failure` if it failed.
    fn end(&mut self, failure: Option<Failure>, panics: &mut CaughtPanic) {
        if let Stage::Running { part, future, .. } = std::mem::replace(&mut self.stage, Stage::Done)
        {
            let failure = match failure {
                Some(failure) if part.is_tracked() => {
                    trace::tracked_failed(&self.handle, &failure);
                    None
                }
                failure => failure,
            };
            self.release(part, future, failure.map(PartFailure::Failed), panics);
        }
    }
}

impl<S, F> Served<S, F>
where
    S: State,
    F: Future<Output: ServedOutcome> + 'static,
{
    fn poll_waiting(&mut self, part: Part, cx: &mut Context<'_>) -> Poll<()> {
        match self.handle.poll_part(part, cx.waker()) {
            PollPart::Run(pending) => {
                let Stage::Waiting { local, .. } = &mut self.stage else {
                    return Poll::Ready(());
                };
                // Both are there, or neither is: a part is local or not.
                let pending = pending.and_then(unbox).map(Box::into_pin);
                if let Some(future) = local.take().or(pending) {
                    let task = TaskWaker::new(cx.waker());
                    self.stage = Stage::Running { part, future, task };
                    return Poll::Ready(());
                }
                // Another thread has taken it, and is dropping it.
                Poll::Pending
            }
            PollPart::Refused => match &mut self.stage {
                Stage::Waiting { local, .. } if local.is_some() => {
                    let local = local.take();
                    self.stage = Stage::Done;
                    let mut panics = CaughtPanic::default();
                    let is_published = self.handle.load().is_published();
                    let failure = is_published.then(|| PartFailure::Failed(Failure::aborted()));
                    self.release(part, local, failure, &mut panics);
                    panics.resume();
                    Poll::Ready(())
                }
                // The thread that refused the attempt drops the future, and then wakes this task.
                _ => Poll::Pending,
            },
            PollPart::Gone => {
                self.stage = Stage::Done;
                Poll::Ready(())
            }
            PollPart::Pending => {
                if let Stage::Waiting { was_polled, .. } = &mut self.stage {
                    *was_polled = true;
                }
                trace::warn_if_awaited_in_start(&self.handle);
                Poll::Pending
            }
        }
    }
}

/// The future that the list of parts kept.
fn unbox<F: 'static>(pending: PendingFuture) -> Option<Box<F>> {
    let any: Box<dyn Any> = pending;
    any.downcast::<F>().ok()
}

impl<S, F> Future for Served<S, F>
where
    S: State,
    F: Future<Output: ServedOutcome> + 'static,
{
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Stage::Waiting { part, .. } = this.stage {
            if this.poll_waiting(part, cx).is_pending() {
                return Poll::Pending;
            }
        }
        let Stage::Running { part, future, task } = &mut this.stage else {
            return Poll::Ready(None);
        };

        // The waker is stored before the word is read: an abort after that wakes this task.
        if task.replace(cx.waker()) {
            this.handle.set_part_task(*part, cx.waker().clone());
        }
        let mut panics = CaughtPanic::default();
        if this.handle.load().is_aborted() {
            let (part, stage) = (*part, std::mem::replace(&mut this.stage, Stage::Done));
            let failure = PartFailure::Failed(Failure::aborted());
            this.release(part, stage, Some(failure), &mut panics);
            panics.resume();
            return Poll::Ready(None);
        }

        let (mut polled, mut failure) = (Poll::Pending, None);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            polled = trace::in_part(&this.handle, || future.as_mut().poll(cx));
            // Inside, because this may call `Display` of the user's.
            if let Poll::Ready(value) = &polled {
                failure = value.served_failure();
            }
        }));
        if let Err(payload) = unwound {
            let failure = Failure::panicked(&*payload);
            // The panic of the future is resumed. Those on the way out are discarded.
            panics.catch(|| drop(polled));
            this.end(Some(failure), &mut panics);
            panics.discard();
            resume_unwind(payload)
        }
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(value) => {
                this.end(failure, &mut panics);
                Poll::Ready(Some(panics.resume_or(value)))
            }
        }
    }
}

impl<S: State, F> Drop for Served<S, F> {
    fn drop(&mut self) {
        let mut panics = CaughtPanic::default();
        let unless_tracked = |part: Part, failure| (!part.is_tracked()).then_some(failure);
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Waiting {
                part,
                local,
                was_polled,
            } => {
                let pending = self.handle.take_pending(part);
                if pending.is_some() || local.is_some() {
                    let failure = unless_tracked(part, PartFailure::DroppedWaiting { was_polled });
                    self.release(part, (pending, local), failure, &mut panics);
                }
            }
            Stage::Running { part, future, .. } => {
                let failure = unless_tracked(part, PartFailure::Dropped);
                self.release(part, future, failure, &mut panics);
            }
            Stage::Done => {}
        }
        panics.resume();
    }
}

impl<S: State, F> fmt::Debug for Served<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Waiting { .. } => "waiting for publication",
            Stage::Running { .. } => "running",
            Stage::Done => "done",
        };
        f.debug_struct("Served")
            .field("service", &self.handle.name())
            .field("stage", &stage)
            .finish()
    }
}
