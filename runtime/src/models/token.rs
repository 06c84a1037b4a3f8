//! The model of the token itself, with the limits that the README states.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};

use super::harness::*;
use crate::CancellationToken;

/// The waker of a waiter on a token.
pub(super) struct ForeignWaker {
    panics: bool,
    /// An atomic of loom, so that loom explores whether the wake or a look at it comes first.
    is_woken: AtomicBool,
}

impl ForeignWaker {
    pub(super) fn new(panics: bool) -> Arc<Self> {
        Arc::new(Self {
            panics,
            is_woken: AtomicBool::new(false),
        })
    }

    pub(super) fn is_woken(&self) -> bool {
        self.is_woken.load(Ordering::Relaxed)
    }
}

impl Wake for ForeignWaker {
    fn wake(self: Arc<Self>) {
        assert!(!self.is_woken.swap(true, Ordering::Relaxed), "woken once");
        if self.panics {
            resume_unwind(Box::new("foreign"));
        }
    }
}

pub(super) type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) fn poll_wait(wait: &mut Wait, waker: &Arc<ForeignWaker>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(waker));
    wait.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Registers a waiter with `token`.
pub(super) fn register(token: &CancellationToken, panics: bool) -> (Wait, Arc<ForeignWaker>) {
    let mut wait: Wait = Box::pin(token.clone().cancelled_owned());
    let waker = ForeignWaker::new(panics);
    assert!(poll_wait(&mut wait, &waker).is_pending());
    (wait, waker)
}

#[test]
fn a_waiter_that_registers_beside_cancel_is_ready_or_woken() {
    let outcomes = ["ready", "woken"];
    model("token: cancel ∥ registration", &outcomes, |seen| {
        let token = CancellationToken::new();
        let mut wait: Wait = Box::pin(token.clone().cancelled_owned());
        let waker = ForeignWaker::new(false);
        let registering = thread::spawn({
            let waker = Arc::clone(&waker);
            move || {
                let polled = poll_wait(&mut wait, &waker);
                (polled.is_ready(), wait)
            }
        });
        token.cancel();
        let (is_ready, _wait) = registering.join().expect("no panic");
        assert!(is_ready != waker.is_woken());
        seen.saw(if is_ready { "ready" } else { "woken" });
    });
}

#[test]
fn cancel_reaches_a_grandchild_while_the_child_between_is_dropped() {
    model("token: cancel ∥ drop of a child", &["woken"], |seen| {
        let root = CancellationToken::new();
        let child = root.child_token();
        let grandchild = child.child_token();
        let (_wait, waker) = register(&grandchild, false);
        let dropping = thread::spawn(move || drop(child));
        root.cancel();
        assert!(grandchild.is_cancelled() && waker.is_woken());
        dropping.join().expect("no panic");
        seen.saw("woken");
    });
}

/// The limit that the README states: what the child's own `cancel()` has flagged, the parent's
/// skips.
#[test]
fn a_child_that_is_cancelled_beside_its_parent_may_wake_later() {
    let outcomes = ["woken by then", "woken later"];
    model("token: cancel ∥ cancel of the parent", &outcomes, |seen| {
        let root = CancellationToken::new();
        let child = root.child_token();
        let (_wait, waker) = register(&child, false);
        let cancelling = thread::spawn({
            let child = child.clone();
            move || child.cancel()
        });
        root.cancel();
        assert!(child.is_cancelled());
        let is_woken = waker.is_woken();
        cancelling.join().expect("no panic");
        assert!(waker.is_woken());
        seen.saw(if is_woken {
            "woken by then"
        } else {
            "woken later"
        });
    });
}

/// The limit that the README states: after a panic in a waker, later waiters are not woken. A poll
/// finds the flag all the same.
#[test]
fn a_panic_in_a_waker_leaves_later_waiters_unwoken() {
    let outcomes = ["pending", "ready"];
    model("token: panic in a waker ∥ poll", &outcomes, |seen| {
        let token = CancellationToken::new();
        let (_first, _) = register(&token, true);
        // The one is in the batch that panics, the other in the next.
        let (second, second_waker) = register(&token, false);
        let (mut third, third_waker) = register(&token, false);
        let polling = thread::spawn({
            let waker = Arc::clone(&third_waker);
            move || {
                let polled = poll_wait(&mut third, &waker);
                drop(second);
                (polled, third)
            }
        });
        let panic = catch_unwind(AssertUnwindSafe(|| token.cancel()));
        assert!(panic.is_err());
        let (polled, mut third) = polling.join().expect("no panic");
        assert!(!second_waker.is_woken() && !third_waker.is_woken());
        assert!(poll_wait(&mut third, &third_waker).is_ready());
        seen.saw(if polled.is_ready() {
            "ready"
        } else {
            "pending"
        });
    });
}
