//! A start, polled by hand, and told to stop in its window.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use cancel_guarded::{CancellationToken, StateCell};

use crate::service::SetUp;

/// Whether a start came up though it was told to stop: its set-up is done, but `cancel()` has
/// returned before it could see that.
///
/// `is_up` says whether the service has told that it is up.
pub(crate) fn came_up_late(
    start: impl Future,
    set_up: &SetUp,
    shutdown: &CancellationToken,
    is_up: impl FnOnce() -> bool,
) -> bool {
    let mut start = pin!(start);
    assert!(now(start.as_mut()).is_none(), "it waits for its set-up");
    set_up.finish();
    shutdown.cancel();
    assert!(now(start).is_some(), "there is nothing left to wait for");
    is_up()
}

/// The same, of a guarded start. It has told that it is up if it has ever published.
pub(crate) fn published_late(
    start: impl Future,
    set_up: &SetUp,
    shutdown: &CancellationToken,
    state: &StateCell,
) -> bool {
    let published = pin!(state.running());
    came_up_late(start, set_up, shutdown, || {
        now(published).is_some_and(|published| published.is_ok())
    })
}

/// Polls once.
pub(crate) fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
