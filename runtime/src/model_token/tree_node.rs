//! tokio-util's `sync/cancellation_token/tree_node.rs`: the tree of tokens.
//!
//! Where it differs:
//!
//! - The last handle to a node unlocks the node before it locks the parent. The original does so
//!   only if it fails to get the parent's lock at once, so the model has all of its interleavings.
//! - The list of children never shrinks its allocation.
//! - It counts how often a node is locked. The counter is std's, so that it adds no interleavings.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::{Mutex, MutexGuard};

use super::notify::{Notified, Notify};

pub(super) struct TreeNode {
    inner: Mutex<Inner>,
    waker: Arc<Notify>,
    locks: AtomicUsize,
}

struct Inner {
    parent: Option<Arc<TreeNode>>,
    parent_idx: usize,
    children: Vec<Arc<TreeNode>>,
    is_cancelled: bool,
    num_handles: usize,
}

impl TreeNode {
    pub(super) fn new() -> Self {
        Self::with(None, 0, false)
    }

    fn with(parent: Option<Arc<Self>>, parent_idx: usize, is_cancelled: bool) -> Self {
        Self {
            inner: Mutex::new(Inner {
                parent,
                parent_idx,
                children: Vec::new(),
                is_cancelled,
                num_handles: 1,
            }),
            waker: Arc::new(Notify::new()),
            locks: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.locks.fetch_add(1, Ordering::Relaxed);
        self.inner.lock()
    }

    /// How often the node and its list of waiters were locked.
    #[cfg(cancel_guarded_loom)]
    pub(super) fn locks(&self) -> [usize; 2] {
        [self.locks.load(Ordering::Relaxed), self.waker.locks()]
    }

    pub(super) fn notified(&self) -> Notified {
        Arc::clone(&self.waker).notified_owned()
    }
}

pub(super) fn is_cancelled(node: &Arc<TreeNode>) -> bool {
    node.lock().is_cancelled
}

/// Creates a child, which is cancelled already if its parent is. Then the two are not linked.
pub(super) fn child_node(parent: &Arc<TreeNode>) -> Arc<TreeNode> {
    let mut locked_parent = parent.lock();
    if locked_parent.is_cancelled {
        return Arc::new(TreeNode::with(None, 0, true));
    }
    let parent_idx = locked_parent.children.len();
    let child = Arc::new(TreeNode::with(Some(Arc::clone(parent)), parent_idx, false));
    locked_parent.children.push(Arc::clone(&child));
    child
}

/// Unlinks the children of a node that nothing can cancel any more.
fn disconnect_children(node: &mut Inner) {
    for child in mem::take(&mut node.children) {
        let mut locked_child = child.lock();
        locked_child.parent_idx = 0;
        locked_child.parent = None;
    }
}

/// Calls `func` with the locks of a node and of its parent. A parent is locked before its child, so
/// the parent may change before both locks are held.
fn with_locked_node_and_parent<R>(
    node: &Arc<TreeNode>,
    func: impl FnOnce(MutexGuard<'_, Inner>, Option<MutexGuard<'_, Inner>>) -> R,
) -> R {
    let mut locked_node = node.lock();
    loop {
        let Some(potential_parent) = locked_node.parent.clone() else {
            return func(locked_node, None);
        };
        drop(locked_node);
        let locked_parent = potential_parent.lock();
        locked_node = node.lock();
        if let Some(actual_parent) = &locked_node.parent {
            if Arc::ptr_eq(actual_parent, &potential_parent) {
                return func(locked_node, Some(locked_parent));
            }
        }
    }
}

/// Makes the parent adopt the children of `node`.
fn move_children_to_parent(node: &mut Inner, parent: &mut Inner) {
    for child in mem::take(&mut node.children) {
        {
            let mut child_locked = child.lock();
            child_locked.parent.clone_from(&node.parent);
            child_locked.parent_idx = parent.children.len();
        }
        parent.children.push(child);
    }
}

/// Removes `node` from its parent. The last child takes its place in the list.
fn remove_child(parent: &mut Inner, mut node: MutexGuard<'_, Inner>) {
    let pos = node.parent_idx;
    node.parent = None;
    node.parent_idx = 0;
    drop(node);
    parent.children.swap_remove(pos);
    if let Some(replacement_child) = parent.children.get(pos) {
        replacement_child.lock().parent_idx = pos;
    }
}

pub(super) fn increase_handle_refcount(node: &Arc<TreeNode>) {
    let mut locked_node = node.lock();
    assert!(locked_node.num_handles > 0, "the node has a handle");
    locked_node.num_handles += 1;
}

/// Releases a handle. With the last one the node leaves the tree, and its parent adopts its
/// children.
pub(super) fn decrease_handle_refcount(node: &Arc<TreeNode>) {
    let num_handles = {
        let mut locked_node = node.lock();
        locked_node.num_handles -= 1;
        locked_node.num_handles
    };
    if num_handles == 0 {
        with_locked_node_and_parent(node, |mut node, parent| match parent {
            Some(mut parent) => {
                move_children_to_parent(&mut node, &mut parent);
                remove_child(&mut parent, node);
            }
            None => disconnect_children(&mut node),
        });
    }
}

/// Cancels a node and its descendants: first sets all flags, then wakes.
pub(super) fn cancel(node: &Arc<TreeNode>) {
    let mut locked_node = node.lock();
    // A second canceller returns while the first may still be waking.
    if locked_node.is_cancelled {
        return;
    }

    // One child after the other is unlinked and flagged, and the node adopts its children, which
    // thus come later in the list than their parent.
    let mut idx = 0;
    while idx < locked_node.children.len() {
        let Some(child) = locked_node.children.pop() else {
            break;
        };
        let mut locked_child = child.lock();
        locked_child.parent = None;
        locked_child.parent_idx = 0;

        // A flagged child leaves the list with all below it. The call that flagged it wakes them.
        if locked_child.is_cancelled {
            continue;
        }

        while let Some(grandchild) = locked_child.children.pop() {
            let mut locked_grandchild = grandchild.lock();
            locked_grandchild.parent = None;
            locked_grandchild.parent_idx = 0;
            if locked_grandchild.is_cancelled {
                continue;
            }
            locked_grandchild.parent = Some(Arc::clone(node));
            locked_grandchild.parent_idx = locked_node.children.len();
            drop(locked_grandchild);
            locked_node.children.push(grandchild);
        }

        locked_child.is_cancelled = true;
        locked_child.children = Vec::new();
        drop(locked_child);

        // Inserts the child at `idx`, and moves the child that was there to the end.
        locked_node.children.push(child);
        let last = locked_node.children.len() - 1;
        locked_node.children.swap(idx, last);
        idx += 1;
    }

    locked_node.is_cancelled = true;
    let to_notify = mem::take(&mut locked_node.children);
    drop(locked_node);

    // No lock of the tree is held. A panic in a waker leaves the rest of the nodes unwoken.
    for child in to_notify {
        child.waker.notify_waiters();
    }
    node.waker.notify_waiters();
}
