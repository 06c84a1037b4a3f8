//! How a cancellation reaches the cell.
//!
//! Checking the token and then publishing is a race, with a compare-and-swap too: the flag is
//! behind the token's own lock, the state in our atomic, and nothing joins the two. So we do not
//! check. `CancellationToken::cancel` sets the flags of the token and its descendants, and wakes
//! all of their waiters **before it returns** (tokio-util since 0.7.20, pinned by
//! `tests/canary.rs`). One of these waiters is ours, with the cell itself as its waker: it makes
//! the transition inside of `wake`. Once `cancel()` has returned, the word carries the mark, and
//! the commit that comes later fails its compare-and-swap.
//!
//! A wake says only that there is something to look at. The cell then asks the token of the attempt
//! under way. So it does not matter who wakes it, and for whom: a wake that was meant for an earlier
//! attempt, or for a start that lost the cell, finds a token that is not cancelled, or nothing.

use std::sync::Arc;

use futures_task::{ArcWake, WakerRef, waker_ref};

use crate::cell::Shared;
use crate::state::State;

/// The waker that moves the cell, for a poll of what ties an attempt to its token.
///
/// A token holds a clone of it for as long as the attempt lasts. The cell holds the wait that is
/// registered there, so the two hold each other until the attempt has ended, or the last
/// [`StateCell`](crate::StateCell) is gone.
#[inline]
pub(crate) fn hook<S: State>(cell: &Arc<Shared<S>>) -> WakerRef<'_> {
    waker_ref(cell)
}

impl<S: State> ArcWake for Shared<S> {
    fn wake_by_ref(cell: &Arc<Self>) {
        cell.on_cancel();
    }
}
