//! The future that the macro wraps a body in.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::attempt::{Attempt, BodyHandle, Entry, refusal};
use crate::cell::StateCell;
use crate::error::StartError;
use crate::failure::Failure;
use crate::outcome::{Outcome, Refusable};
use crate::panics::Panics;
use crate::state::{Lifecycle, State};
use crate::token::AsToken;
use crate::wait::Ended;
use crate::word::StartFrom;

/// What can be named in `state = ..`: a [`StateCell`], or a `&` or an `Arc` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `StateCell`",
    label = "not a `StateCell`, nor a `&` or an `Arc` of one",
    note = "`state = ..` names the `cancel_guarded::StateCell` of this service; put one in the place of an atomic, or of a state behind a lock"
)]
pub trait AsCell<S: State> {
    /// A handle to the cell.
    fn to_cell(&self) -> StateCell<S>;
}

impl<S: State> AsCell<S> for StateCell<S> {
    fn to_cell(&self) -> Self {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl<S: State, C: AsCell<S> + ?Sized> AsCell<S> for &C {
    fn to_cell(&self) -> StateCell<S> {
        (**self).to_cell()
    }
}

#[diagnostic::do_not_recommend]
impl<S: State, C: AsCell<S> + ?Sized> AsCell<S> for std::sync::Arc<C> {
    fn to_cell(&self) -> StateCell<S> {
        (**self).to_cell()
    }
}

/// A start as the attribute describes it. The macro fills it in and [`run`](Answering::run)s it.
#[derive(Debug)]
pub struct Start<S: State> {
    entry: Entry<S>,
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

/// A start of the service whose state is `cell`, guarded by `token`, and the attempt that comes of
/// it as its body knows it.
pub fn start<S, C, T>(cell: &C, token: &T) -> (Start<S>, BodyHandle<S>)
where
    S: State,
    C: AsCell<S> + ?Sized,
    T: AsToken + ?Sized,
{
    let entry = Entry::new(cell.to_cell(), token.as_token().cloned());
    let handle = entry.body_handle();
    let start = Start {
        entry,
        shielding: Shielding::None,
    };
    (start, handle)
}

/// A start of something that has no state to publish, guarded by `token`: the guard keeps one
/// of its own, which nobody else sees.
pub fn start_unpublished<T: AsToken + ?Sized>(token: &T) -> (Unpublished, BodyHandle<Lifecycle>) {
    let (start, handle) = start(&StateCell::<Lifecycle>::new(), token);
    (Unpublished(start), handle)
}

/// A [`Start`] without a state.
#[derive(Debug)]
pub struct Unpublished(Start<Lifecycle>);

impl Unpublished {
    /// See [`Start::with_child`].
    #[must_use]
    pub fn with_child(self) -> Self {
        Self(self.0.with_child())
    }

    /// The body handles cancellation itself: only the entry is guarded, and its value is
    /// returned as it is.
    #[must_use]
    pub fn shielded(mut self) -> Self {
        self.0.shielding = Shielding::AllButEntry;
        self
    }

    /// See [`Start::refusing`].
    pub fn refusing<R: Refusable>(self) -> Answering<Lifecycle, R, fn(StartError) -> R> {
        self.0.refusing()
    }

    /// See [`Start::refused_by`].
    pub fn refused_by<R, A>(self, answer: A) -> Answering<Lifecycle, R, A>
    where
        R: Outcome,
        A: FnOnce(StartError) -> R,
    {
        self.0.refused_by(answer)
    }
}

impl<S: State> Start<S> {
    /// May also begin from `STOPPED` and `FAILED`.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.entry.from = StartFrom::Rest;
        self
    }

    /// The body handles cancellation itself: it is not interrupted.
    #[must_use]
    pub fn shielded(mut self) -> Self {
        self.shielding = Shielding::Awaits;
        self
    }

    /// The body sees a token of its own, a child of the caller's.
    #[must_use]
    pub fn with_child(mut self) -> Self {
        self.entry.with_child = true;
        self
    }

    /// A refused start returns what `R` makes of a [`StartError`].
    pub fn refusing<R: Refusable>(self) -> Answering<S, R, fn(StartError) -> R> {
        self.refused_by(R::refused)
    }

    /// A refused start returns what `answer` makes of the [`StartError`].
    pub fn refused_by<R, A>(self, answer: A) -> Answering<S, R, A>
    where
        R: Outcome,
        A: FnOnce(StartError) -> R,
    {
        Answering {
            start: self,
            answer,
            failure_of: R::failure,
            returns: PhantomData,
        }
    }
}

/// A [`Start`] that knows what a refusal returns. The traits that this takes are asked for once,
/// where it is made, so that a missing one is one error.
pub struct Answering<S: State, R, A> {
    start: Start<S>,
    answer: A,
    failure_of: fn(&R) -> Option<String>,
    returns: PhantomData<fn() -> R>,
}

impl<S: State, R, A> Answering<S, R, A>
where
    A: FnOnce(StartError) -> R,
{
    /// The start itself: enters at its first poll, and only then polls `body`.
    pub fn run<F>(self, body: F) -> Guarded<S, R, A, F>
    where
        F: Future<Output = R>,
    {
        Guarded {
            entry: self.start.entry,
            shielding: self.start.shielding,
            answer: Some(self.answer),
            failure_of: self.failure_of,
            is_entered: false,
            attempt: None,
            stage: Stage::Body { body },
        }
    }
}

impl<S: State, R, A> fmt::Debug for Answering<S, R, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering")
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A guarded start.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Guarded<S: State, R, A, F> {
        entry: Entry<S>,
        shielding: Shielding,
        answer: Option<A>,
        failure_of: fn(&R) -> Option<String>,
        is_entered: bool,
        // From entry on, while the body exists.
        attempt: Option<Attempt<S>>,
        #[pin]
        stage: Stage<S, F>,
    }

    impl<S: State, R, A, F> PinnedDrop for Guarded<S, R, A, F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(attempt) = &this.attempt {
                attempt.record(Failure::dropped_start());
            }
            let mut panics = Panics::default();
            this.take_down(&mut panics);
            panics.resume();
        }
    }
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

impl<S, R, A, F> Future for Guarded<S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if !self.is_entered {
            if let Err(error) = self.as_mut().enter() {
                return Poll::Ready(self.refuse(error));
            }
        }
        if self.attempt.is_some() {
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

impl<S, R, A, F> Guarded<S, R, A, F>
where
    S: State,
    A: FnOnce(StartError) -> R,
    F: Future<Output = R>,
{
    /// Wins the cell, or gives up the body.
    fn enter(self: Pin<&mut Self>) -> Result<(), StartError> {
        let mut this = self.project();
        *this.is_entered = true;
        let mut panics = Panics::default();
        let entered = this
            .entry
            .enter(|| panics.catch(|| this.stage.set(Stage::Done)));
        panics.resume();
        *this.attempt = Some(entered?);
        Ok(())
    }

    fn poll_body(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.as_mut().project();
        let (Some(attempt), StageProjection::Body { body }) = (this.attempt, this.stage.project())
        else {
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
        let error = refusal(self.entry.cell.shared.load());
        self.end(End::Refused(error), Panics::default(), cx)
    }

    /// The body returned a success: publishes it, or takes it back.
    fn succeed(mut self: Pin<&mut Self>, value: R, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.as_mut().project();
        let Some(attempt) = this.attempt else {
            unreachable!("an attempt succeeds once");
        };
        if attempt.word().is_published() {
            return self.end(End::Own(value), Panics::default(), cx);
        }
        match attempt.commit() {
            Ok(()) => {
                *this.attempt = None;
                let mut stage = this.stage;
                stage.set(Stage::Done);
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

impl<S: State, R, A, F> Guarded<S, R, A, F> {
    /// Drops the body, and lets the attempt go. What is to be waited for, if something of it is
    /// left that must not outlive a refusal.
    fn take_down(self: Pin<&mut Self>, panics: &mut Panics) -> Option<Ended<S>> {
        let mut this = self.project();
        let attempt = this.attempt.take()?;
        panics.catch(|| this.stage.set(Stage::Done));
        attempt.leave(panics)
    }
}

impl<S: State, R, A, F> fmt::Debug for Guarded<S, R, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("entry", &self.entry)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
