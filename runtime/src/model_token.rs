//! tokio-util's `CancellationToken` as loom sees it: the same order of flags, locks and wakes
//! (`tests/canary.rs` pins the original), over primitives that loom explores.
//!
//! `cancel()` raises the flags of the node and its descendants under the node's lock, releases
//! it, then wakes the waiters of each, descendants first, in batches: a waiter is taken out of its
//! list before it is woken, so that a wake may come late, and stays in it until its batch comes. A
//! waiter that is polled meanwhile leaves the list, and is not woken. A second canceller returns at
//! once.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::Mutex;

/// A token.
#[derive(Clone, Debug)]
pub struct CancellationToken(Arc<Node>);

#[derive(Debug)]
struct Node {
    tree: Mutex<Tree>,
    notify: Mutex<Notify>,
}

#[derive(Debug, Default)]
struct Tree {
    cancelled: bool,
    children: Vec<Arc<Node>>,
}

#[derive(Debug, Default)]
struct Notify {
    /// How often all waiters have been woken.
    calls: u64,
    next: u64,
    waiters: VecDeque<(u64, Waker)>,
}

impl Node {
    fn new(cancelled: bool) -> Arc<Self> {
        Arc::new(Self {
            tree: Mutex::new(Tree {
                cancelled,
                children: Vec::new(),
            }),
            notify: Mutex::new(Notify::default()),
        })
    }

    /// Raises the flags below this node, and lists whom it concerns, descendants first.
    fn flag(self: &Arc<Self>, flagged: &mut Vec<Arc<Self>>) {
        let mut tree = self.tree.lock();
        if tree.cancelled {
            return;
        }
        for child in std::mem::take(&mut tree.children) {
            child.flag(flagged);
        }
        tree.cancelled = true;
        flagged.push(Arc::clone(self));
    }

    fn notify_waiters(&self) {
        let mut notify = self.notify.lock();
        notify.calls += 1;
        // Batches of one, where tokio's are of 32.
        while let Some((_, waker)) = notify.waiters.pop_front() {
            drop(notify);
            waker.wake();
            notify = self.notify.lock();
        }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl CancellationToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self(Node::new(false))
    }

    /// A token that is cancelled with this one.
    #[must_use]
    pub fn child_token(&self) -> Self {
        let mut tree = self.0.tree.lock();
        let child = Node::new(tree.cancelled);
        if !tree.cancelled {
            tree.children.push(Arc::clone(&child));
        }
        Self(child)
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        self.0.tree.lock().cancelled
    }

    /// Raises the flags, then wakes.
    pub fn cancel(&self) {
        let mut flagged = Vec::new();
        self.0.flag(&mut flagged);
        for node in flagged {
            node.notify_waiters();
        }
    }

    /// Waits for the flag.
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        let calls = self.0.notify.lock().calls;
        WaitForCancellationFutureOwned {
            token: self,
            calls,
            key: None,
        }
    }
}

/// What [`cancelled_owned`](CancellationToken::cancelled_owned) returns.
#[derive(Debug)]
pub struct WaitForCancellationFutureOwned {
    token: CancellationToken,
    /// The calls to `notify_waiters` before this waited.
    calls: u64,
    key: Option<u64>,
}

impl Future for WaitForCancellationFutureOwned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.token.is_cancelled() {
                return Poll::Ready(());
            }
            let node = Arc::clone(&self.token.0);
            let mut notify = node.notify.lock();
            if notify.calls == self.calls {
                if self.key.is_none() {
                    let key = notify.next;
                    notify.next += 1;
                    notify.waiters.push_back((key, cx.waker().clone()));
                    self.key = Some(key);
                }
                return Poll::Pending;
            }
            self.calls = notify.calls;
            if let Some(key) = self.key.take() {
                notify.waiters.retain(|(other, _)| *other != key);
            }
        }
    }
}

impl Drop for WaitForCancellationFutureOwned {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waiter = {
                let mut notify = self.token.0.notify.lock();
                let at = notify.waiters.iter().position(|(other, _)| *other == key);
                at.and_then(|at| notify.waiters.remove(at))
            };
            drop(waiter);
        }
    }
}
