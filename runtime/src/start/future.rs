//! The future around a guarded body.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::body::Start;
use super::options::{Mode, OnRefused, StartOptions};
use crate::error::StartError;
use crate::failure::Failure;
use crate::lifecycle::State;
use crate::shared::{BodyEnd, EntryError, Remaining, StartFrom};
use crate::token::GuardToken;
use crate::trace;
use crate::unwind::{CaughtPanic, TaskWaker};
use crate::wait::WaitUntilEnded;

pin_project! {
    /// A guarded start.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct StartFuture<'a, S: State, R, A, F> {
        start: &'a Start<S>,
        token: GuardToken,
        from: StartFrom,
        mode: Mode,
        is_shielded: bool,
        progress: Progress,
        on_refused: Option<OnRefused<R, A>>,
        // The waker that the cell has, to wake the task that polls the body.
        task: TaskWaker,
        #[pin]
        stage: Stage<S, F>,
    }

    impl<S: State, R, A, F> PinnedDrop for StartFuture<'_, S, R, A, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.progress == Progress::Entered {
                let mut panics = CaughtPanic::default();
                this.tear_down(BodyEnd::Dropped(Failure::dropped_start()), &mut panics);
                panics.resume();
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It has not been polled.
    NotStarted,
    /// It has won the cell, and its body exists.
    Entered,
    /// It did not win the cell, or the body is gone.
    Finished,
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S: State, F> {
        Body { #[pin] body: F },
        // The start is refused, and another thread is dropping one of its served futures. A
        // refusal is returned after that. The body's own error is returned at once: to keep it here
        // would require its type to be `Send`.
        TearingDown { teardown: Box<Teardown<S>> },
        Done,
    }
}

/// A refusal that waits. Boxed in the future of the start, because it is rare.
struct Teardown<S: State> {
    error: StartError,
    ended: WaitUntilEnded<S>,
}

/// The result of a start whose body is gone.
enum Returned<R> {
    Value(R),
    Refused(StartError),
}

impl<'a, S: State> StartOptions<'a, S> {
    /// Drives an async body. The start enters the cell at the first poll.
    #[inline]
    pub fn drive<R, A, F>(self, on_refused: OnRefused<R, A>, body: F) -> StartFuture<'a, S, R, A, F>
    where
        A: FnOnce(StartError) -> R,
        F: Future<Output = R>,
    {
        StartFuture::new(self, on_refused, body)
    }
}

impl<'a, S: State, R, A, F> StartFuture<'a, S, R, A, F>
where
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    #[inline]
    pub(super) fn new(options: StartOptions<'a, S>, on_refused: OnRefused<R, A>, body: F) -> Self {
        let StartOptions {
            start,
            token,
            from,
            mode,
            is_shielded,
        } = options;
        Self {
            start,
            token,
            from,
            mode,
            is_shielded,
            progress: Progress::NotStarted,
            on_refused: Some(on_refused),
            task: TaskWaker::none(),
            stage: Stage::Body { body },
        }
    }

    /// Drives the body of an attempt that has begun.
    pub(super) fn entered(
        start: &'a Start<S>,
        mode: Mode,
        on_refused: OnRefused<R, A>,
        body: F,
    ) -> Self {
        let mut options = start.options(GuardToken::default());
        options.mode = mode;
        if mode != Mode::Start {
            start.mark_run(mode);
        }
        let mut future = Self::new(options, on_refused, body);
        future.progress = Progress::Entered;
        future
    }
}

impl<S, R, A, F> Future for StartFuture<'_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match self.progress {
            Progress::NotStarted => {
                let this = self.as_mut().project();
                if let Err(error) = this.start.enter(this.token, *this.from, *this.mode) {
                    return Poll::Ready(self.reject_entry(error));
                }
                *this.progress = Progress::Entered;
                // Cancelled since it entered. This holds for a shielded body, too.
                if this.start.handle.load().must_abort() {
                    return self.interrupt(cx);
                }
            }
            Progress::Entered => {}
            Progress::Finished => return self.poll_teardown(cx),
        }
        if self.should_interrupt() {
            return self.interrupt(cx);
        }
        self.poll_body(cx)
    }
}

impl<S, R, A, F> StartFuture<'_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    /// It did not win the cell. The body is dropped before the cell can read a refusal.
    fn reject_entry(mut self: Pin<&mut Self>, error: EntryError<S>) -> R {
        let mut this = self.as_mut().project();
        *this.progress = Progress::Finished;
        let mut panics = CaughtPanic::default();
        panics.catch(|| this.stage.set(Stage::Done));
        let error = this.start.reject_entry(error, *this.from);
        panics.resume();
        self.refuse(error)
    }

    /// Whether the body has to be dropped where it waits.
    #[inline]
    fn should_interrupt(&self) -> bool {
        !self.is_shielded && self.start.should_interrupt()
    }

    #[inline]
    fn poll_body(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.as_mut().project();
        let (StageProjection::Body { body }, Some(on_refused)) =
            (this.stage.project(), this.on_refused.as_ref())
        else {
            unreachable!("an attempt has a body");
        };
        let (mut polled, mut failure) = (Poll::Pending, None);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            polled = trace::in_part(&this.start.handle, || body.poll(cx));
            // Inside, because this may call `Display` of the user's.
            if let Poll::Ready(value) = &polled {
                failure = (on_refused.failure_of)(value);
            }
        }));
        if let Err(payload) = unwound {
            // The panic of the body is resumed. Those on the way out are discarded.
            let mut panics = CaughtPanic::default();
            panics.catch(|| drop(polled));
            let end = BodyEnd::Failed(Failure::panicked(&*payload));
            self.tear_down(end, &mut panics);
            panics.discard();
            resume_unwind(payload)
        }
        let Poll::Ready(value) = polled else {
            return self.on_pending(cx);
        };
        match failure {
            Some(failure) => {
                let end = BodyEnd::Failed(failure);
                self.end(end, Returned::Value(value), CaughtPanic::default(), cx)
            }
            None => self.on_success(value, cx),
        }
    }

    fn on_pending(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if self.is_shielded {
            return Poll::Pending;
        }
        let this = self.as_mut().project();
        // The waker is stored before the word is read: a transition after that wakes this task.
        if this.task.replace(cx.waker()) {
            this.start.handle.set_body_task(cx.waker().clone());
        }
        if self.should_interrupt() {
            return self.interrupt(cx);
        }
        Poll::Pending
    }

    /// The attempt was told to end, or aborted: the body is dropped where it waits.
    fn interrupt(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let end = self.start.interrupted();
        let error = self.start.refusal();
        self.end(end, Returned::Refused(error), CaughtPanic::default(), cx)
    }

    #[inline]
    fn on_success(mut self: Pin<&mut Self>, value: R, cx: &mut Context<'_>) -> Poll<R> {
        if self.mode != Mode::Start {
            let returned = Returned::Value(value);
            return self.end(BodyEnd::Finished, returned, CaughtPanic::default(), cx);
        }
        if !self.start.commit() {
            return self.on_commit_failed(value, cx);
        }
        let mut this = self.as_mut().project();
        *this.progress = Progress::Finished;
        this.stage.set(Stage::Done);
        Poll::Ready(value)
    }

    fn on_commit_failed(self: Pin<&mut Self>, value: R, cx: &mut Context<'_>) -> Poll<R> {
        let mut panics = CaughtPanic::default();
        panics.catch(|| drop(value));
        let error = self.start.refusal();
        self.end(BodyEnd::Refused, Returned::Refused(error), panics, cx)
    }

    /// Releases the attempt and returns what is due.
    fn end(
        mut self: Pin<&mut Self>,
        end: BodyEnd,
        returned: Returned<R>,
        mut panics: CaughtPanic,
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        let remaining = self.as_mut().tear_down(end, &mut panics);
        match (panics.resume_or(returned), remaining) {
            (Returned::Value(value), _) => Poll::Ready(value),
            (Returned::Refused(error), Remaining::Nothing) => Poll::Ready(self.refuse(error)),
            (Returned::Refused(error), Remaining::BeingDropped) => {
                let mut this = self.as_mut().project();
                let ended = WaitUntilEnded::for_attempt(&this.start.handle, this.start.attempt());
                let teardown = Box::new(Teardown { error, ended });
                this.stage.set(Stage::TearingDown { teardown });
                self.poll_teardown(cx)
            }
        }
    }

    /// Waits for futures of a refused attempt that another thread is dropping.
    fn poll_teardown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut stage = self.as_mut().project().stage;
        let StageProjection::TearingDown { teardown } = stage.as_mut().project() else {
            panic!("a guarded start was polled after it had returned");
        };
        let _ended = ready!(Pin::new(&mut teardown.ended).poll(cx));
        let error = teardown.error.clone();
        stage.set(Stage::Done);
        Poll::Ready(self.refuse(error))
    }

    fn refuse(self: Pin<&mut Self>, error: StartError) -> R {
        match self.project().on_refused.take() {
            Some(on_refused) => on_refused.refuse(error),
            None => unreachable!("a start is refused once"),
        }
    }
}

impl<S: State, R, A, F> StartFuture<'_, S, R, A, F> {
    /// Drops the body and releases the attempt.
    fn tear_down(self: Pin<&mut Self>, end: BodyEnd, panics: &mut CaughtPanic) -> Remaining {
        let mut this = self.project();
        *this.progress = Progress::Finished;
        let drop_body = || this.stage.set(Stage::Done);
        this.start.tear_down(end, drop_body, panics)
    }
}

impl<S: State, R, A, F> fmt::Debug for StartFuture<'_, S, R, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartFuture")
            .field("start", &self.start)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
