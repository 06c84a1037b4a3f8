//! The future that the macro wraps a body in.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::attempt::{Attempt, refusal};
use crate::error::StartError;
use crate::failure::Failure;
use crate::outcome::{Outcome, Refusable};
use crate::panics::Panics;
use crate::state::State;
use crate::sync::CancellationToken;
use crate::tether::Guarding;
use crate::token::AsToken;
use crate::wait::Ended;
use crate::word::StartFrom;

/// A start as the attribute describes it. The macro fills it in and [`run`](Answering::run)s it.
#[derive(Debug)]
pub struct Start<'a, 't, S: State> {
    attempt: &'a Attempt<'a, S>,
    token: Given<'t>,
    from: StartFrom,
    shielding: Shielding,
    /// Whether the body sees a token of its own.
    with_child: bool,
}

/// What the guard leaves to a body that handles cancellation itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shielding {
    /// Nothing: every await may be its last.
    None,
    /// Everything but publication.
    Awaits,
    /// Everything but the entry.
    AllButEntry,
}

/// The token, if there is one, as the function was given it.
#[derive(Debug)]
enum Given<'t> {
    Borrowed(Option<&'t CancellationToken>),
    Owned(Option<CancellationToken>),
}

impl<S: State> Attempt<'_, S> {
    /// The start of this attempt, guarded by `token`.
    pub fn start<'t, T: AsToken + ?Sized>(&self, token: &'t T) -> Start<'_, 't, S> {
        self.start_by(Given::Borrowed(token.as_token()))
    }

    /// The same, with a token that nobody else wants.
    pub fn start_owned<T: AsToken>(&self, token: T) -> Start<'_, 'static, S> {
        self.start_by(Given::Owned(token.into_token()))
    }

    fn start_by<'t>(&self, token: Given<'t>) -> Start<'_, 't, S> {
        Start {
            attempt: self,
            token,
            from: StartFrom::Initial,
            shielding: Shielding::None,
            with_child: false,
        }
    }
}

impl<'a, S: State> Start<'a, '_, S> {
    /// May also begin from `STOPPED` and `FAILED`.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.from = StartFrom::Rest;
        self
    }

    /// The body handles cancellation itself: it is not interrupted. If there is no state to
    /// publish either, only the entry is guarded, and its value is returned as it is.
    #[must_use]
    pub fn shielded(mut self) -> Self {
        self.shielding = if self.attempt.is_public {
            Shielding::Awaits
        } else {
            Shielding::AllButEntry
        };
        self
    }

    /// The body sees a token of its own, a child of the caller's.
    #[must_use]
    pub fn with_child(mut self) -> Self {
        self.with_child = true;
        self
    }

    /// A refused start returns what `R` makes of a [`StartError`].
    pub fn refusing<R: Refusable>(self) -> Answering<'a, S, R, fn(StartError) -> R> {
        self.refused_by(R::refused)
    }

    /// A refused start returns what `answer` makes of the [`StartError`].
    pub fn refused_by<R, A>(self, answer: A) -> Answering<'a, S, R, A>
    where
        R: Outcome,
        A: FnOnce(StartError) -> R,
    {
        let guarding = |is_own| move |token| Guarding { token, is_own };
        let token = match self.token {
            Given::Borrowed(token) if self.with_child => token
                .map(CancellationToken::child_token)
                .map(guarding(true)),
            Given::Borrowed(token) => token.cloned().map(guarding(false)),
            // Nobody else wants it, so no body sees it.
            Given::Owned(token) => token.map(guarding(false)),
        };
        Answering {
            attempt: self.attempt,
            token,
            from: self.from,
            shielding: self.shielding,
            answer,
            failure_of: R::failure,
            returns: PhantomData,
        }
    }
}

/// A [`Start`] that knows what a refusal returns. The traits that this takes are asked for once,
/// where it is made, so that a missing one is one error.
pub struct Answering<'a, S: State, R, A> {
    attempt: &'a Attempt<'a, S>,
    token: Option<Guarding>,
    from: StartFrom,
    shielding: Shielding,
    answer: A,
    failure_of: fn(&R) -> Option<String>,
    returns: PhantomData<fn() -> R>,
}

impl<'a, S: State, R, A> Answering<'a, S, R, A>
where
    A: FnOnce(StartError) -> R,
{
    /// The start itself: enters at its first poll, and only then polls `body`.
    pub fn run<F>(self, body: F) -> Guarded<'a, S, R, A, F>
    where
        F: Future<Output = R>,
    {
        Guarded {
            attempt: self.attempt,
            token: self.token,
            from: self.from,
            shielding: self.shielding,
            progress: Progress::Fresh,
            answer: Some(self.answer),
            failure_of: self.failure_of,
            stage: Stage::Body { body },
        }
    }
}

impl<S: State, R, A> fmt::Debug for Answering<'_, S, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A guarded start.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Guarded<'a, S: State, R, A, F> {
        attempt: &'a Attempt<'a, S>,
        // Until entry.
        token: Option<Guarding>,
        from: StartFrom,
        shielding: Shielding,
        progress: Progress,
        answer: Option<A>,
        failure_of: fn(&R) -> Option<String>,
        #[pin]
        stage: Stage<S, F>,
    }

    impl<S: State, R, A, F> PinnedDrop for Guarded<'_, S, R, A, F> {
        fn drop(this: Pin<&mut Self>) {
            if this.progress == Progress::Entered {
                this.attempt.record(Failure::dropped_start());
                let mut panics = Panics::default();
                this.take_down(&mut panics);
                panics.resume();
            }
        }
    }
}

/// How far a guarded start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It has not been polled.
    Fresh,
    /// It has won the cell, and its body exists.
    Entered,
    /// It did not win the cell, or the body is gone.
    Left,
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S: State, F> {
        Body { #[pin] body: F },
        // The attempt was refused and taken back, but another thread is still dropping a future
        // that was to be served. `FAILED` cannot be read before that is done, and a refusal is
        // not returned before. The body's own error is: to keep it here would ask of its type
        // to be `Send`.
        Ending { error: StartError, #[pin] ended: Ended<S> },
        Done,
    }
}

/// What a start returns whose attempt is taken down.
enum End<R> {
    /// The body's own value.
    Own(R),
    Refused(StartError),
}

impl<S, R, A, F> Future for Guarded<'_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if self.progress == Progress::Fresh {
            if let Err(error) = self.as_mut().enter() {
                return Poll::Ready(self.refuse(error));
            }
        }
        if self.progress == Progress::Entered {
            return self.poll_body(cx);
        }
        match self.as_mut().project().stage.project() {
            StageProjection::Ending { error, ended } => {
                ready!(ended.poll(cx));
                let error = *error;
                self.as_mut().project().stage.set(Stage::Done);
                Poll::Ready(self.refuse(error))
            }
            _ => panic!("a guarded start was polled after it had returned"),
        }
    }
}

impl<S, R, A, F> Guarded<'_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    /// Wins the cell, or gives up the body.
    fn enter(self: Pin<&mut Self>) -> Result<(), StartError> {
        let mut this = self.project();
        *this.progress = Progress::Left;
        let mut panics = Panics::default();
        let drop_body = || panics.catch(|| this.stage.set(Stage::Done));
        match this.attempt.enter(this.token.take(), *this.from, drop_body) {
            Ok(()) => {
                *this.progress = Progress::Entered;
                Ok(())
            }
            Err(error) => {
                panics.resume();
                Err(error)
            }
        }
    }

    fn poll_body(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.as_mut().project();
        let attempt = *this.attempt;
        let StageProjection::Body { body } = this.stage.project() else {
            unreachable!("an attempt has a body");
        };
        let interruptible = *this.shielding == Shielding::None;
        if interruptible && attempt.word().is_interrupted() {
            return self.interrupt(cx);
        }

        // What the value means is asked in here too: `Display` is the user's code.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            body.poll(cx)
                .map(|value| ((this.failure_of)(&value), value))
        }));
        match polled {
            Ok(Poll::Pending) => {
                if interruptible && !attempt.word().is_published() {
                    // The waker first, then the look: whoever marks the word after the look
                    // finds the waker.
                    attempt.wake_on_interrupt(cx.waker());
                    if attempt.word().is_interrupted() {
                        return self.interrupt(cx);
                    }
                }
                Poll::Pending
            }
            Ok(Poll::Ready((None, value))) => self.succeed(value, cx),
            Ok(Poll::Ready((Some(message), value))) => {
                attempt.record(Failure::error(message));
                self.end(End::Own(value), Panics::default(), cx)
            }
            Err(payload) => {
                attempt.record(Failure::panicked(&*payload));
                // What panics on the way out is lost behind the body's own panic.
                self.take_down(&mut Panics::default());
                resume_unwind(payload)
            }
        }
    }

    /// The attempt was told to end: its body is dropped where it stands.
    fn interrupt(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let error = refusal(self.attempt.word());
        self.end(End::Refused(error), Panics::default(), cx)
    }

    /// The body returned a success: publishes it, or takes it back.
    fn succeed(mut self: Pin<&mut Self>, value: R, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.as_mut().project();
        if this.attempt.word().is_published() {
            return self.end(End::Own(value), Panics::default(), cx);
        }
        match this.attempt.commit() {
            Ok(()) => {
                *this.progress = Progress::Left;
                this.stage.set(Stage::Done);
                Poll::Ready(value)
            }
            Err(_) if *this.shielding == Shielding::AllButEntry => {
                self.end(End::Own(value), Panics::default(), cx)
            }
            Err(error) => {
                let mut panics = Panics::default();
                panics.catch(|| drop(value));
                self.end(End::Refused(error), panics, cx)
            }
        }
    }

    /// Takes the attempt down and returns what is due.
    fn end(
        mut self: Pin<&mut Self>,
        end: End<R>,
        mut panics: Panics,
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        let unfinished = self.as_mut().take_down(&mut panics);
        panics.resume();
        match (end, unfinished) {
            (End::Own(value), _) => Poll::Ready(value),
            (End::Refused(error), None) => Poll::Ready(self.refuse(error)),
            (End::Refused(error), Some(ended)) => {
                let mut stage = self.as_mut().project().stage;
                stage.set(Stage::Ending { error, ended });
                self.poll(cx)
            }
        }
    }

    fn refuse(self: Pin<&mut Self>, error: StartError) -> R {
        match self.project().answer.take() {
            Some(answer) => answer(error),
            None => unreachable!("a start is refused once"),
        }
    }
}

impl<S: State, R, A, F> Guarded<'_, S, R, A, F> {
    /// Drops the body, and lets the attempt go. What is to be waited for, if something of it is
    /// left that must not outlive a refusal.
    fn take_down(self: Pin<&mut Self>, panics: &mut Panics) -> Option<Ended<S>> {
        let mut this = self.project();
        if *this.progress != Progress::Entered {
            return None;
        }
        *this.progress = Progress::Left;
        panics.catch(|| this.stage.set(Stage::Done));
        this.attempt.leave(panics)
    }
}

impl<S: State, R, A, F> fmt::Debug for Guarded<'_, S, R, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("attempt", &self.attempt)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
