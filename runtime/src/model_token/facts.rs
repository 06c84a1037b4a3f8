//! What the guard rests on in tokio-util's `CancellationToken`, beyond what its documentation
//! promises, as assertions about any token.
//!
//! `tests/canary.rs` asserts them of the original, so that a release that changes one of them
//! fails there. The tests of the model assert them of the model.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// A token that these assertions can be made of.
pub(crate) trait Token: Clone + Send + Sync + 'static {
    /// How many wakers `cancel()` takes out of a token's list before it wakes them.
    const BATCH: usize;
    type Wait: Future<Output = ()> + Send + 'static;

    fn new() -> Self;
    fn child_token(&self) -> Self;
    fn is_cancelled(&self) -> bool;
    fn cancel(&self);
    fn cancelled_owned(self) -> Self::Wait;
}

impl Token for tokio_util::sync::CancellationToken {
    const BATCH: usize = 32;
    type Wait = tokio_util::sync::WaitForCancellationFutureOwned;

    fn new() -> Self {
        Self::new()
    }

    fn child_token(&self) -> Self {
        self.child_token()
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled()
    }

    fn cancel(&self) {
        self.cancel();
    }

    fn cancelled_owned(self) -> Self::Wait {
        self.cancelled_owned()
    }
}

/// Makes a test of each fact, about the given token.
macro_rules! test_facts {
    ($token:ty) => {
        facts::test_facts! {
            $token:
            own_waiters_wake_inside_cancel
            waiters_of_a_child_wake_inside_cancel
            waiters_of_a_grandchild_wake_inside_cancel
            a_grandchild_wakes_after_the_child_between_is_dropped
            a_wait_alone_keeps_its_token_in_the_tree
            a_thousand_waiters_wake_inside_cancel
            no_waiter_wakes_twice
            every_flag_is_set_before_the_first_waker_runs
            waiters_of_one_token_wake_in_the_order_they_came
            a_child_wakes_before_its_grandchildren_and_the_cancelled_token_last
            a_cancelled_child_leaves_its_parent_and_siblings_alone
            a_child_of_a_cancelled_token_is_cancelled
            a_wait_for_a_cancelled_token_is_ready_and_keeps_no_waker
            the_first_poll_registers_and_a_wake_takes_the_waker
            a_dropped_wait_is_not_woken_and_drops_its_waker
            wakers_run_without_a_lock
            a_batch_is_taken_before_its_first_waker_runs
            a_wait_dropped_before_its_batch_is_taken_is_not_woken
            a_wait_polled_during_cancel_is_ready
            a_second_cancel_returns_before_the_first
            a_flagged_child_is_skipped_with_all_below_it
            a_panic_in_a_waker_comes_out_of_cancel_with_all_flags_set
            a_panic_in_a_waker_leaves_the_later_waiters_unwoken
            the_wakers_after_a_panic_are_dropped_with_their_batch_or_their_wait
        }
    };
    ($token:ty: $($fact:ident)*) => {
        $(
            #[test]
            fn $fact() {
                facts::$fact::<$token>();
            }
        )*
    };
}
pub(crate) use test_facts;

type Registered<T> = Pin<Box<<T as Token>::Wait>>;

struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        self.0();
    }
}

/// Events, in the order in which they happened.
struct Log<E>(Arc<Mutex<Vec<E>>>);

impl<E> Clone for Log<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Clone> Log<E> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn push(&self, event: E) {
        self.0.lock().expect("not poisoned").push(event);
    }

    fn all(&self) -> Vec<E> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Waits that wakers may take, to poll or drop them.
struct Waits<T: Token>(Arc<Mutex<Vec<Option<Registered<T>>>>>);

impl<T: Token> Clone for Waits<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Token> Waits<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn push(&self, wait: Registered<T>) {
        self.0.lock().expect("not poisoned").push(Some(wait));
    }

    fn take(&self, i: usize) -> Registered<T> {
        let wait = self.0.lock().expect("not poisoned")[i].take();
        wait.expect("it was not taken before")
    }
}

fn poll<F: Future>(wait: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    wait.as_mut().poll(&mut Context::from_waker(waker))
}

/// Registers `f` with `token`, to be called when it wakes its waiters.
fn register<T: Token>(token: &T, f: impl Fn() + Send + Sync + 'static) -> Registered<T> {
    let mut wait = Box::pin(token.clone().cancelled_owned());
    let pending = poll(&mut wait, &Waker::from(Arc::new(OnWake(f))));
    assert!(pending.is_pending(), "nothing is cancelled yet");
    wait
}

/// Registers a waker that logs `event`.
fn register_log<T: Token, E: Clone + Send + Sync + 'static>(
    token: &T,
    log: &Log<E>,
    event: E,
) -> Registered<T> {
    let log = log.clone();
    register(token, move || log.push(event.clone()))
}

/// Registers a waker that keeps `held` alive.
fn register_holding<T: Token>(token: &T, held: &Arc<()>) -> Registered<T> {
    let held = Arc::clone(held);
    register(token, move || {
        let _ = &held;
    })
}

/// Whether a waiter of `waited` is woken before `cancelled.cancel()` has returned.
fn wakes_inside<T: Token>(cancelled: &T, waited: &T) -> bool {
    let log = Log::new();
    let _wait = register_log(waited, &log, ());
    cancelled.cancel();
    log.all() == [()]
}

pub(crate) fn own_waiters_wake_inside_cancel<T: Token>() {
    let token = T::new();
    assert!(wakes_inside(&token, &token), "own token");
}

pub(crate) fn waiters_of_a_child_wake_inside_cancel<T: Token>() {
    let token = T::new();
    assert!(wakes_inside(&token, &token.child_token()), "child");
}

pub(crate) fn waiters_of_a_grandchild_wake_inside_cancel<T: Token>() {
    let token = T::new();
    let child = token.child_token();
    assert!(wakes_inside(&token, &child.child_token()), "grandchild");
}

pub(crate) fn a_grandchild_wakes_after_the_child_between_is_dropped<T: Token>() {
    let token = T::new();
    let grandchild = token.child_token().child_token();
    assert!(wakes_inside(&token, &grandchild), "adopted grandchild");
}

pub(crate) fn a_wait_alone_keeps_its_token_in_the_tree<T: Token>() {
    let (token, log) = (T::new(), Log::new());
    let child = token.child_token();
    let _wait = register_log(&child, &log, "child");
    drop(child);
    token.cancel();
    assert_eq!(log.all(), ["child"]);
}

pub(crate) fn a_thousand_waiters_wake_inside_cancel<T: Token>() {
    let (token, log) = (T::new(), Log::new());
    // Half of them on the token itself, half on children: both are many batches.
    let _waits: Vec<_> = (0..1000)
        .map(|i| {
            if i % 2 == 0 {
                register_log(&token, &log, i)
            } else {
                register_log(&token.child_token(), &log, i)
            }
        })
        .collect();
    token.cancel();
    let mut woken = log.all();
    woken.sort_unstable();
    assert_eq!(woken, (0..1000).collect::<Vec<_>>(), "each of them once");
}

pub(crate) fn no_waiter_wakes_twice<T: Token>() {
    let (root, log) = (T::new(), Log::new());
    let child = root.child_token();
    let _waits = [
        register_log(&child, &log, "child"),
        register_log(&root, &log, "root"),
    ];
    child.cancel();
    child.cancel();
    root.cancel();
    root.cancel();
    child.cancel();
    assert_eq!(log.all(), ["child", "root"]);
}

pub(crate) fn every_flag_is_set_before_the_first_waker_runs<T: Token>() {
    let root = T::new();
    let child = root.child_token();
    let tokens = [root.clone(), child.clone(), child.child_token()];
    let log = Log::new();
    let _waits = tokens.each_ref().map(|token| {
        let (tokens, log) = (tokens.clone(), log.clone());
        register(token, move || {
            log.push(tokens.iter().all(T::is_cancelled));
        })
    });
    root.cancel();
    assert_eq!(log.all(), [true; 3], "all of them woke to a flagged tree");
}

pub(crate) fn waiters_of_one_token_wake_in_the_order_they_came<T: Token>() {
    let (token, log) = (T::new(), Log::new());
    let _waits: Vec<_> = (0..100).map(|i| register_log(&token, &log, i)).collect();
    token.cancel();
    assert_eq!(log.all(), (0..100).collect::<Vec<_>>(), "first come first");
}

pub(crate) fn a_child_wakes_before_its_grandchildren_and_the_cancelled_token_last<T: Token>() {
    // A tree of three children each: the children of node n are 3n + 1 to 3n + 3.
    let mut nodes = vec![T::new()];
    for i in 1..121 {
        let node = nodes[(i - 1) / 3].child_token();
        nodes.push(node);
    }
    for cancelled in [1, 0] {
        let log = Log::new();
        let mut is_below = vec![false; nodes.len()];
        for i in 0..nodes.len() {
            is_below[i] = i == cancelled || i > 0 && is_below[(i - 1) / 3];
        }
        // The first turn has cancelled node 1 and all below it.
        let nodes: Vec<_> = (0..nodes.len())
            .filter(|&i| is_below[i] && !nodes[i].is_cancelled())
            .map(|i| (i, &nodes[i]))
            .collect();
        let _waits: Vec<_> = nodes
            .iter()
            .map(|&(i, node)| register_log(node, &log, i))
            .collect();
        nodes[0].1.cancel();

        let woken = log.all();
        assert_eq!(woken.len(), nodes.len(), "all of them woke");
        assert_eq!(woken.last(), Some(&cancelled), "the cancelled one last");
        let position = |i| woken.iter().position(|&woken| woken == i);
        for &(i, _) in &nodes[1..] {
            let parent = (i - 1) / 3;
            assert!(
                parent == cancelled || position(parent) < position(i),
                "{parent} before its child {i}"
            );
        }
    }
}

pub(crate) fn a_cancelled_child_leaves_its_parent_and_siblings_alone<T: Token>() {
    let (parent, log) = (T::new(), Log::new());
    let [child, sibling] = [(); 2].map(|()| parent.child_token());
    let _waits = [
        register_log(&parent, &log, "parent"),
        register_log(&sibling, &log, "sibling"),
        register_log(&child, &log, "child"),
    ];
    child.cancel();
    assert_eq!(log.all(), ["child"]);
    assert!(child.is_cancelled());
    assert!(!parent.is_cancelled() && !sibling.is_cancelled());
}

pub(crate) fn a_child_of_a_cancelled_token_is_cancelled<T: Token>() {
    let token = T::new();
    token.cancel();
    assert!(token.child_token().is_cancelled());
}

pub(crate) fn a_wait_for_a_cancelled_token_is_ready_and_keeps_no_waker<T: Token>() {
    let (token, held) = (T::new(), Arc::new(()));
    let mut wait = Box::pin(token.clone().cancelled_owned());
    token.cancel();
    let waker = Waker::from(Arc::new(OnWake({
        let held = Arc::clone(&held);
        move || drop(Arc::clone(&held))
    })));
    assert!(poll(&mut wait, &waker).is_ready(), "by one poll");
    drop(waker);
    assert_eq!(Arc::strong_count(&held), 1);
}

pub(crate) fn the_first_poll_registers_and_a_wake_takes_the_waker<T: Token>() {
    let (token, held) = (T::new(), Arc::new(()));
    let wait = register_holding(&token, &held);
    assert_eq!(Arc::strong_count(&held), 2, "the token holds the waker");
    token.cancel();
    assert_eq!(Arc::strong_count(&held), 1, "its wait does not");
    drop(wait);
}

pub(crate) fn a_dropped_wait_is_not_woken_and_drops_its_waker<T: Token>() {
    let (token, log, held) = (T::new(), Log::new(), Arc::new(()));
    let logged = register_log(&token, &log, "dropped");
    let holding = register_holding(&token, &held);
    drop((logged, holding));
    assert_eq!(Arc::strong_count(&held), 1);
    token.cancel();
    assert_eq!(log.all(), [""; 0]);
}

pub(crate) fn wakers_run_without_a_lock<T: Token>() {
    // Up to 0.7.19 this deadlocked: descendants were woken under the locks of their ancestors.
    let root = T::new();
    let child = root.child_token();
    let tokens = [root.clone(), child.clone(), child.child_token()];
    let log = Log::new();
    let _waits = tokens.each_ref().map(|token| {
        let (tokens, log) = (tokens.clone(), log.clone());
        register(token, move || {
            for token in &tokens {
                token.cancel();
                let child = token.child_token();
                let mut wait = Box::pin(token.clone().cancelled_owned());
                let ready = poll(&mut wait, Waker::noop()).is_ready();
                log.push(token.is_cancelled() && child.is_cancelled() && ready);
            }
        })
    });
    root.cancel();
    assert_eq!(log.all(), [true; 9]);
}

pub(crate) fn a_batch_is_taken_before_its_first_waker_runs<T: Token>() {
    let (token, log, waits) = (T::new(), Log::new(), Waits::<T>::new());
    waits.push(register(&token, {
        let (log, waits) = (log.clone(), waits.clone());
        move || {
            log.push(0);
            for i in 1..T::BATCH {
                drop(waits.take(i));
            }
        }
    }));
    for i in 1..T::BATCH {
        waits.push(register_log(&token, &log, i));
    }
    token.cancel();
    let all: Vec<_> = (0..T::BATCH).collect();
    assert_eq!(log.all(), all, "woken after their waits were dropped");
}

pub(crate) fn a_wait_dropped_before_its_batch_is_taken_is_not_woken<T: Token>() {
    let (token, log, waits) = (T::new(), Log::new(), Waits::<T>::new());
    waits.push(register(&token, {
        let (log, waits) = (log.clone(), waits.clone());
        move || {
            log.push(0);
            drop(waits.take(T::BATCH));
        }
    }));
    for i in 1..T::BATCH + 2 {
        waits.push(register_log(&token, &log, i));
    }
    token.cancel();
    let others: Vec<_> = (0..T::BATCH + 2).filter(|&i| i != T::BATCH).collect();
    assert_eq!(log.all(), others);
}

/// The flag is set by then. Only a poll that has read the flag *before* it was set, and is
/// suspended there, takes its waiter out of the list (`counter_models.rs`).
pub(crate) fn a_wait_polled_during_cancel_is_ready<T: Token>() {
    let (token, log, waits) = (T::new(), Log::new(), Waits::<T>::new());
    waits.push(register(&token, {
        let (log, waits) = (log.clone(), waits.clone());
        move || {
            log.push(0);
            for i in 1..=T::BATCH {
                let mut wait = waits.take(i);
                let ready = poll(&mut wait, Waker::noop()).is_ready();
                assert!(ready, "woken or not: {i}");
                waits.push(wait);
            }
        }
    }));
    for i in 1..=T::BATCH {
        waits.push(register_log(&token, &log, i));
    }
    token.cancel();
    let all: Vec<_> = (0..=T::BATCH).collect();
    assert_eq!(log.all(), all, "and woken");
}

pub(crate) fn a_second_cancel_returns_before_the_first<T: Token>() {
    let (token, log) = (T::new(), Log::new());
    let _waits = [
        register(&token, {
            let (token, log) = (token.clone(), log.clone());
            move || {
                token.cancel();
                log.push("the second has returned");
            }
        }),
        register_log(&token, &log, "a later waiter"),
    ];
    token.cancel();
    assert_eq!(log.all(), ["the second has returned", "a later waiter"]);
}

pub(crate) fn a_flagged_child_is_skipped_with_all_below_it<T: Token>() {
    let (root, log) = (T::new(), Log::new());
    let child = root.child_token();
    let grandchild = child.child_token();
    let _waits = [
        register(&grandchild, {
            let (root, log) = (root.clone(), log.clone());
            move || {
                root.cancel();
                log.push("the root's cancel() has returned");
            }
        }),
        register_log(&grandchild, &log, "a later waiter of the grandchild"),
        register_log(&child, &log, "the child"),
        register_log(&root, &log, "the root"),
    ];
    child.cancel();
    let expected = [
        "the root",
        "the root's cancel() has returned",
        "a later waiter of the grandchild",
        "the child",
    ];
    assert_eq!(log.all(), expected);
}

/// A root, and a child with one waiter more than a batch, whose second waker panics. Cancels the
/// root. Returns the two tokens, the waits, and a log of the wakes.
fn cancel_with_a_panic<T: Token>(held: &Arc<()>) -> (T, T, Vec<Registered<T>>, Log<usize>) {
    let (root, log) = (T::new(), Log::new());
    let child = root.child_token();
    let mut waits: Vec<_> = (0..=T::BATCH)
        .map(|i| {
            let (held, log) = (Arc::clone(held), log.clone());
            register(&child, move || {
                let _ = &held;
                if i == 1 {
                    resume_unwind(Box::new("foreign"));
                }
                log.push(i);
            })
        })
        .collect();
    waits.push(register_log(&root, &log, usize::MAX));
    let panic = catch_unwind(AssertUnwindSafe(|| root.cancel())).expect_err("it goes on");
    assert_eq!(panic.downcast_ref(), Some(&"foreign"));
    (root, child, waits, log)
}

pub(crate) fn a_panic_in_a_waker_comes_out_of_cancel_with_all_flags_set<T: Token>() {
    let (root, child, mut waits, _) = cancel_with_a_panic::<T>(&Arc::new(()));
    assert!(
        root.is_cancelled() && child.is_cancelled(),
        "and no lock is poisoned"
    );
    assert!(root.child_token().is_cancelled());
    for wait in &mut waits {
        assert!(poll(wait, Waker::noop()).is_ready());
    }
}

pub(crate) fn a_panic_in_a_waker_leaves_the_later_waiters_unwoken<T: Token>() {
    let (root, child, _waits, log) = cancel_with_a_panic::<T>(&Arc::new(()));
    let before_the_panic = [0];
    assert_eq!(log.all(), before_the_panic);
    root.cancel();
    child.cancel();
    assert_eq!(log.all(), before_the_panic, "no later cancel() wakes them");
}

pub(crate) fn the_wakers_after_a_panic_are_dropped_with_their_batch_or_their_wait<T: Token>() {
    let held = Arc::new(());
    let (_root, _child, waits, _) = cancel_with_a_panic::<T>(&held);
    assert_eq!(Arc::strong_count(&held), 2, "the one of the second batch");
    drop(waits);
    assert_eq!(Arc::strong_count(&held), 1);
}
