//! The future that the macro wraps a body in.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::attempt::{Attempt, refusal};
use crate::cell::Declined;
use crate::error::StartError;
use crate::failure::Failure;
use crate::held::Held;
use crate::outcome::{Outcome, Refusable};
use crate::panics::Panics;
use crate::state::State;
use crate::sync::CancellationToken;
use crate::token::AsToken;
use crate::wait::Ended;
use crate::word::{Snapshot, StartFrom};

/// A start as the attribute describes it. The macro fills it in and [`run`](Answering::run)s it.
#[derive(Debug)]
pub struct Start<'a, 't, S: State> {
    attempt: &'a Attempt<'a, S>,
    token: Held<'t>,
    from: StartFrom,
    shielding: Shielding,
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

impl<S: State> Attempt<'_, S> {
    /// The start of this attempt, guarded by `token`.
    #[inline]
    pub fn start<T: AsToken + ?Sized>(&self, token: &T) -> Start<'_, 'static, S> {
        let given = |token: &CancellationToken| Held::Given(token.clone());
        self.start_by(Held::of(token.as_token(), given))
    }

    /// The same, with a token that nobody else wants.
    #[inline]
    pub fn start_owned<'t, T: AsToken + 't>(&self, token: T) -> Start<'_, 't, S> {
        self.start_by(token.hold())
    }

    /// The same, with a child of `token` that the body sees in its place.
    #[inline]
    pub fn start_with_child<T: AsToken + ?Sized>(&self, token: &T) -> Start<'_, 'static, S> {
        let own = |token: &CancellationToken| Held::Own(token.child_token());
        self.start_by(Held::of(token.as_token(), own))
    }

    #[inline]
    fn start_by<'t>(&self, token: Held<'t>) -> Start<'_, 't, S> {
        Start {
            attempt: self,
            token,
            from: StartFrom::Initial,
            shielding: Shielding::None,
        }
    }
}

impl<'a, 't, S: State> Start<'a, 't, S> {
    /// May also begin from `STOPPED` and `FAILED`.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.from = StartFrom::Rest;
        self
    }

    /// The body handles cancellation itself: it is not interrupted.
    #[must_use]
    pub fn shielded(mut self) -> Self {
        self.shielding = Shielding::Awaits;
        self
    }

    /// The same, and there is no state to publish: the value of the body is returned as it is.
    #[must_use]
    pub fn entry_only(mut self) -> Self {
        self.shielding = Shielding::AllButEntry;
        self
    }

    /// A refused start returns what `R` makes of a [`StartError`].
    #[inline]
    pub fn refusing<R: Refusable>(self) -> Answering<'a, 't, S, R, fn(StartError) -> R> {
        self.refused_by(R::refused)
    }

    /// A refused start returns what `answer` makes of the [`StartError`].
    #[inline]
    pub fn refused_by<R, A>(self, answer: A) -> Answering<'a, 't, S, R, A>
    where
        R: Outcome,
        A: FnOnce(StartError) -> R,
    {
        Answering {
            attempt: self.attempt,
            token: self.token,
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
pub struct Answering<'a, 't, S: State, R, A> {
    attempt: &'a Attempt<'a, S>,
    token: Held<'t>,
    from: StartFrom,
    shielding: Shielding,
    answer: A,
    failure_of: fn(&R) -> Option<String>,
    returns: PhantomData<fn() -> R>,
}

impl<'a, 't, S: State, R, A> Answering<'a, 't, S, R, A>
where
    A: FnOnce(StartError) -> R,
{
    /// The start itself: enters at its first poll, and only then polls `body`.
    pub fn run<F>(self, body: F) -> Guarded<'a, 't, S, R, A, F>
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

impl<S: State, R, A> fmt::Debug for Answering<'_, '_, S, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A guarded start.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Guarded<'a, 't, S: State, R, A, F> {
        attempt: &'a Attempt<'a, S>,
        token: Held<'t>,
        from: StartFrom,
        shielding: Shielding,
        progress: Progress,
        answer: Option<A>,
        failure_of: fn(&R) -> Option<String>,
        #[pin]
        stage: Stage<S, F>,
    }

    impl<S: State, R, A, F> PinnedDrop for Guarded<'_, '_, S, R, A, F> {
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
    Own(Poll<R>),
    Refused(StartError),
}

impl<S, R, A, F> Future for Guarded<'_, '_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        match self.progress {
            Progress::Fresh => {
                let this = self.as_mut().project();
                if let Err(declined) = this.attempt.enter(this.token, *this.from) {
                    return Poll::Ready(self.decline(declined));
                }
                *this.progress = Progress::Entered;
            }
            Progress::Entered => {
                if self.is_interrupted() {
                    return self.interrupt(cx);
                }
            }
            Progress::Left => return self.poll_end(cx),
        }
        self.poll_body(cx)
    }
}

impl<S, R, A, F> Guarded<'_, '_, S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    /// It did not win the cell, and gives up the body before a refusal can be read from there.
    fn decline(mut self: Pin<&mut Self>, declined: Declined<S>) -> R {
        let mut this = self.as_mut().project();
        *this.progress = Progress::Left;
        let mut panics = Panics::default();
        panics.catch(|| {
            *this.token = Held::None;
            this.stage.set(Stage::Done);
        });
        let error = this.attempt.refuse_entry(declined, *this.from);
        panics.resume();
        self.refuse(error)
    }

    /// Whether the body may be dropped where it waits, and is to be.
    #[inline]
    fn is_interrupted(&self) -> bool {
        self.shielding == Shielding::None && self.attempt.word().is_interrupted()
    }

    #[inline]
    fn poll_body(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.as_mut().project();
        let StageProjection::Body { body } = this.stage.project() else {
            unreachable!("an attempt has a body");
        };
        let (mut polled, mut failure) = (Poll::Pending, None);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            polled = body.poll(cx);
            // What the value means is asked in here too: `Display` is the user's code.
            if let Poll::Ready(value) = &polled {
                failure = (this.failure_of)(value);
            }
        }));
        if let Err(payload) = unwound {
            self.attempt.record(Failure::panicked(&*payload));
            // What panics on the way out is lost behind the body's own panic.
            let mut panics = Panics::default();
            panics.catch(|| drop(polled));
            self.take_down(&mut panics);
            panics.lose();
            resume_unwind(payload)
        }
        if polled.is_pending() {
            return self.suspend(cx);
        }
        if let Some(message) = failure {
            self.attempt.record(Failure::error(message));
            return self.end(End::Own(polled), Panics::default(), cx);
        }
        self.succeed(polled, cx)
    }

    fn suspend(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if self.shielding == Shielding::None && !self.attempt.word().is_published() {
            // The waker first, then the look: whoever marks the word after the look finds the
            // waker.
            self.attempt.wake_on_interrupt(cx.waker());
            if self.is_interrupted() {
                return self.interrupt(cx);
            }
        }
        Poll::Pending
    }

    /// The attempt was told to end: its body is dropped where it stands.
    fn interrupt(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let error = refusal(self.attempt.word());
        self.end(End::Refused(error), Panics::default(), cx)
    }

    /// The body returned a success: publishes it, or takes it back.
    #[inline]
    fn succeed(mut self: Pin<&mut Self>, value: Poll<R>, cx: &mut Context<'_>) -> Poll<R> {
        let mut this = self.as_mut().project();
        if let Err(word) = this.attempt.commit(this.token) {
            return self.fall_short(word, value, cx);
        }
        *this.progress = Progress::Left;
        this.stage.set(Stage::Done);
        value
    }

    /// What the body returned is not published now, as the cell is at `word`.
    fn fall_short(
        self: Pin<&mut Self>,
        word: Snapshot<S>,
        value: Poll<R>,
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        // A body that published early returns its own.
        if word.is_published() || self.shielding == Shielding::AllButEntry {
            return self.end(End::Own(value), Panics::default(), cx);
        }
        let mut panics = Panics::default();
        panics.catch(|| drop(value));
        self.end(End::Refused(refusal(word)), panics, cx)
    }

    /// Waits for what is left of a refused attempt.
    fn poll_end(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
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

    /// Takes the attempt down and returns what is due.
    fn end(
        mut self: Pin<&mut Self>,
        end: End<R>,
        mut panics: Panics,
        cx: &mut Context<'_>,
    ) -> Poll<R> {
        let unfinished = self.as_mut().take_down(&mut panics);
        match (panics.resume_over(end), unfinished) {
            (End::Own(value), _) => value,
            (End::Refused(error), None) => Poll::Ready(self.refuse(error)),
            (End::Refused(error), Some(ended)) => {
                let mut stage = self.as_mut().project().stage;
                stage.set(Stage::Ending { error, ended });
                self.poll_end(cx)
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

impl<S: State, R, A, F> Guarded<'_, '_, S, R, A, F> {
    /// Drops the body, and lets the attempt go. What is to be waited for, if something of it is
    /// left that must not outlive a refusal.
    fn take_down(self: Pin<&mut Self>, panics: &mut Panics) -> Option<Ended<S>> {
        let mut this = self.project();
        if *this.progress != Progress::Entered {
            return None;
        }
        *this.progress = Progress::Left;
        panics.catch(|| this.stage.set(Stage::Done));
        *this.token = Held::None;
        this.attempt.leave(panics)
    }
}

impl<S: State, R, A, F> fmt::Debug for Guarded<'_, '_, S, R, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("attempt", &self.attempt)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
