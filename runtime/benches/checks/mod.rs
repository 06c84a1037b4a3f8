//! Starts that do nothing but await what is ready, to see what one check between two awaits
//! costs: as many awaits as asked for, less the same awaits unchecked.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

pub(crate) type Check = fn(&CancellationToken, usize) -> Result<(), StartError>;

pub(crate) const CHECKS: [(&str, Check); 4] = [
    ("unchecked", |_, awaits| run(unchecked(awaits))),
    ("wrapped", |token, awaits| run(wrapped(token, awaits))),
    ("`token.is_cancelled()`", |token, awaits| {
        run(by_hand(token, awaits))
    }),
    ("guarded", |token, awaits| {
        let state = StateCell::new();
        run(guarded(&state, token, awaits))
    }),
];

/// Is ready at once, but the compiler does not know that. So every start keeps in its future, and not
/// in registers, what it needs after the await.
fn step() -> impl Future<Output = ()> {
    poll_fn(|_| black_box(Poll::Ready(())))
}

async fn unchecked(awaits: usize) -> Result<(), StartError> {
    for _ in 0..awaits {
        step().await;
    }
    Ok(())
}

/// The awaits go through a future that could ask the token, and does not.
async fn wrapped(token: &CancellationToken, awaits: usize) -> Result<(), StartError> {
    for _ in 0..awaits {
        let future = step();
        Wrapped { token, future }.await;
    }
    Ok(())
}

struct Wrapped<'a, F> {
    token: &'a CancellationToken,
    future: F,
}

impl<F: Future + Unpin> Future for Wrapped<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = Pin::new(&mut self.future).poll(cx);
        black_box(self.token);
        polled
    }
}

async fn by_hand(token: &CancellationToken, awaits: usize) -> Result<(), StartError> {
    for _ in 0..awaits {
        step().await;
        if token.is_cancelled() {
            return Err(StartError::Cancelled);
        }
    }
    Ok(())
}

#[cancel_guarded(state = state)]
async fn guarded(
    state: &StateCell,
    token: &CancellationToken,
    awaits: usize,
) -> Result<(), StartError> {
    for _ in 0..awaits {
        step().await;
    }
    Ok(())
}

/// These starts never wait. They are polled through a pointer, as an executor does.
fn run<'a, T>(start: impl Future<Output = T> + 'a) -> T {
    let mut start: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(start);
    match black_box(&mut start)
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a start that never waits"),
    }
}
