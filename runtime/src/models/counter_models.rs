//! The code that people write instead, under the same loom and over the same token as the models.
//! Each of these is broken, and loom must find that: a model that cannot fail would be noticed here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::AtomicU8;
use loom::thread;

use crate::CancellationToken;

const INITIAL: u8 = 0;
const STARTING: u8 = 1;
const RUNNING: u8 = 2;
const FAILED: u8 = 3;
const STOPPING: u8 = 4;
const CANCELLED: u8 = 0x10;

/// A state in an atomic, without the rest.
#[derive(Clone)]
struct Atomic(Arc<AtomicU8>);

impl Atomic {
    fn new() -> Self {
        Self(Arc::new(AtomicU8::new(INITIAL)))
    }

    fn load(&self) -> u8 {
        self.0.load(Acquire)
    }

    fn swap(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }
}

/// Tells the start under way to end, for whichever attempt it was registered.
struct Hook(Atomic);

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        self.0.swap(STARTING, STARTING | CANCELLED);
    }
}

type Registration = Pin<Box<dyn Future<Output = ()>>>;

/// Registers a hook with `token`, or `None` if that is cancelled.
fn register(token: &CancellationToken, state: &Atomic) -> Option<Registration> {
    let mut wait: Registration = Box::pin(token.clone().cancelled_owned());
    let waker = Waker::from(Arc::new(Hook(state.clone())));
    match wait.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(()) => None,
        Poll::Pending => Some(wait),
    }
}

/// Races `start` against `cancel()`, and panics if it publishes after that has returned, or if it
/// never publishes, or always does.
fn is_never_late(start: impl Fn(&Atomic, &CancellationToken) + Sync + Send + 'static) {
    let start = Arc::new(start);
    let [published, refused] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let seen = [Arc::clone(&published), Arc::clone(&refused)];
    loom::model(move || {
        let (state, token) = (Atomic::new(), CancellationToken::new());
        let starting = thread::spawn({
            let (state, token, start) = (state.clone(), token.clone(), Arc::clone(&start));
            move || start(&state, &token)
        });
        token.cancel();
        let behind_cancel = state.load();
        starting.join().expect("no panic");
        let is_published = state.load() == RUNNING;
        assert!(behind_cancel == RUNNING || !is_published, "published late");
        seen[usize::from(!is_published)].store(true, Relaxed);
    });
    assert!(published.load(Relaxed), "it never publishes");
    assert!(refused.load(Relaxed), "it is never refused");
}

#[test]
#[should_panic(expected = "published late")]
fn a_check_before_the_store() {
    is_never_late(|state, token| {
        if !token.is_cancelled() {
            state.0.store(RUNNING, Release);
        }
    });
}

#[test]
#[should_panic(expected = "published late")]
fn a_check_and_a_compare_and_swap_without_the_hook() {
    is_never_late(|state, token| {
        state.swap(INITIAL, STARTING);
        if token.is_cancelled() {
            state.swap(STARTING, FAILED);
        } else {
            state.swap(STARTING, RUNNING);
        }
    });
}

#[test]
#[should_panic(expected = "published late")]
fn a_hook_and_a_commit_by_store() {
    is_never_late(|state, token| {
        state.swap(INITIAL, STARTING);
        let registered = register(token, state);
        if registered.is_some() && state.load() == STARTING {
            state.0.store(RUNNING, Release);
        }
    });
}

/// With the hook and the compare-and-swap both, the same model finds nothing.
#[test]
fn a_hook_and_a_commit_by_compare_and_swap() {
    is_never_late(|state, token| {
        state.swap(INITIAL, STARTING);
        let registered = register(token, state);
        if registered.is_some() {
            state.swap(STARTING, RUNNING);
        }
    });
}

/// A hook that does not say in whose name it comes ends the attempt after its own.
#[test]
#[should_panic(expected = "no one cancelled the second attempt")]
fn a_hook_without_the_number_of_its_attempt() {
    loom::model(|| {
        let (state, token) = (Atomic::new(), CancellationToken::new());
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        state.swap(INITIAL, STARTING);
        let first = register(&token, &state);
        state.0.store(FAILED, Release);
        drop(first);

        state.swap(FAILED, STARTING);
        let again = state.swap(STARTING, RUNNING);
        cancelling.join().expect("no panic");
        assert!(again, "no one cancelled the second attempt");
    });
}

/// A hook that acts before its own start has won the cell ends another's.
#[test]
#[should_panic(expected = "no one cancelled the winner")]
fn a_hook_that_is_armed_before_its_start_has_won() {
    loom::model(|| {
        let (state, losing) = (Atomic::new(), CancellationToken::new());
        let loser = thread::spawn({
            let state = state.clone();
            move || {
                let registered = register(&losing, &state);
                let won = registered.is_some() && state.swap(INITIAL, STARTING);
                losing.cancel();
                won
            }
        });
        let won = state.swap(INITIAL, STARTING);
        let published = won && state.swap(STARTING, RUNNING);
        let lost = !loser.join().expect("no panic");
        assert!(published || !(won && lost), "no one cancelled the winner");
    });
}

/// Moves a published service on.
struct StopHook(Atomic);

impl Wake for StopHook {
    fn wake(self: Arc<Self>) {
        if !self.0.swap(STARTING, STARTING | CANCELLED) {
            self.0.swap(RUNNING, STOPPING);
        }
    }
}

/// Races `cancel()` against a start whose hook is registered after a whole batch of other waiters,
/// and panics if the state reads `RUNNING` after `cancel()` has returned. `check` is called with
/// the registered wait once the start has published.
fn has_moved_after_cancel(check: fn(&mut Registration, &Waker, &Atomic)) {
    loom::model(move || {
        let (state, token) = (Atomic::new(), CancellationToken::new());
        // The model takes two wakers at once.
        let others = [(); 2].map(|()| register(&token, &Atomic::new()));
        state.swap(INITIAL, STARTING);
        let mut wait: Registration = Box::pin(token.clone().cancelled_owned());
        let hook = Waker::from(Arc::new(StopHook(state.clone())));
        let pending = wait.as_mut().poll(&mut Context::from_waker(&hook));
        assert!(pending.is_pending(), "nothing is cancelled yet");
        let starting = thread::spawn({
            let state = state.clone();
            move || {
                if state.swap(STARTING, RUNNING) {
                    check(&mut wait, &hook, &state);
                }
                wait
            }
        });
        token.cancel();
        let after_cancel = state.load();
        drop(starting.join().expect("no panic"));
        drop(others);
        assert_ne!(after_cancel, RUNNING, "running after cancel()");
    });
}

/// The second poll may take the hook out of the list that `cancel()` is going through. Then only
/// the poll knows of the cancellation, and `cancel()` returns before it has moved the state.
#[test]
#[should_panic(expected = "running after cancel()")]
fn a_check_by_polling_the_registered_wait_again() {
    has_moved_after_cancel(|wait, hook, state| {
        let polled = wait.as_mut().poll(&mut Context::from_waker(hook));
        if polled.is_ready() {
            state.swap(RUNNING, STOPPING);
        }
    });
}

/// The same model finds nothing without the second poll.
#[test]
fn a_registered_wait_that_is_not_polled_again() {
    has_moved_after_cancel(|_, _, _| ());
}
