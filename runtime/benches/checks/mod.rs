//! Starts that do nothing but await what is ready, to see what one check between two awaits
//! costs: as many awaits as asked for, less the same awaits unchecked.

use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

pub(crate) type Check = fn(&CancellationToken, usize) -> Result<(), StartError>;

pub(crate) const CHECKS: [(&str, Check); 3] = [
    ("unchecked", |_, awaits| run(unchecked(awaits))),
    ("`token.is_cancelled()`", |token, awaits| {
        run(by_hand(token, awaits))
    }),
    ("guarded", |token, awaits| {
        run(guarded(&StateCell::new(), token, awaits))
    }),
];

async fn unchecked(awaits: usize) -> Result<(), StartError> {
    for _ in 0..awaits {
        black_box(ready(())).await;
    }
    Ok(())
}

async fn by_hand(token: &CancellationToken, awaits: usize) -> Result<(), StartError> {
    for _ in 0..awaits {
        black_box(ready(())).await;
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
        black_box(ready(())).await;
    }
    Ok(())
}

/// These starts never wait.
fn run<T>(start: impl Future<Output = T>) -> T {
    match pin!(start).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a start that never waits"),
    }
}
