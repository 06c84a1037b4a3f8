//! A model of tokio-util's `CancellationToken`, over the primitives that loom explores.
//!
//! It follows tokio-util 0.7.20 and tokio's `Notify` step by step, with their names: this file is
//! `sync/cancellation_token.rs`, `tree_node` is `sync/cancellation_token/tree_node.rs`, and `notify`
//! is tokio's `sync/notify.rs`. Each of them lists where it differs. `tests` compares the model
//! with the original, and `facts` holds what the guard rests on, asserted of both.
#![cfg_attr(
    not(cancel_guarded_loom),
    expect(
        unreachable_pub,
        reason = "only the loom build makes the model the crate's public token"
    )
)]

#[cfg(all(test, not(cancel_guarded_loom)))]
mod facts;
mod notify;
#[cfg(all(test, not(cancel_guarded_loom)))]
mod tests;
mod tree_node;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use notify::Notified;
use tree_node::TreeNode;

/// A handle to a node of the tree.
///
/// As in the original, to clone it, to drop it and to ask it takes the lock of the node.
pub struct CancellationToken {
    inner: Arc<TreeNode>,
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

impl Clone for CancellationToken {
    fn clone(&self) -> Self {
        tree_node::increase_handle_refcount(&self.inner);
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl Drop for CancellationToken {
    fn drop(&mut self) {
        tree_node::decrease_handle_refcount(&self.inner);
    }
}

impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Eq for CancellationToken {}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancellationToken {
    /// Creates a token that is not cancelled.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(TreeNode::new()),
        }
    }

    /// Creates a token that is cancelled together with this one.
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self {
            inner: tree_node::child_node(&self.inner),
        }
    }

    /// Cancels this token and its descendants, and wakes their waiters before it returns.
    pub fn cancel(&self) {
        tree_node::cancel(&self.inner);
    }

    /// How often its node and its list of waiters were locked.
    #[cfg(cancel_guarded_loom)]
    pub(crate) fn locks(&self) -> [usize; 2] {
        self.inner.locks()
    }

    /// Returns whether this token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        tree_node::is_cancelled(&self.inner)
    }

    /// Returns a future that completes when this token is cancelled.
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned {
            future: self.inner.notified(),
            cancellation_token: self,
        }
    }
}

/// The future that [`cancelled_owned`](CancellationToken::cancelled_owned) returns.
#[must_use = "futures do nothing unless polled"]
pub struct WaitForCancellationFutureOwned {
    // The order matters: the waiter leaves its list before the handle is released.
    future: Notified,
    cancellation_token: CancellationToken,
}

impl fmt::Debug for WaitForCancellationFutureOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitForCancellationFutureOwned")
            .finish_non_exhaustive()
    }
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.cancellation_token.is_cancelled() {
                return Poll::Ready(());
            }
            // Between the two, `cancel()` may set the flag and begin to wake. Then this poll takes
            // the waiter out of the list, and `cancel()` returns without having woken it.
            if self.future.poll_notified(cx).is_pending() {
                return Poll::Pending;
            }
            self.future = self.cancellation_token.inner.notified();
        }
    }
}
