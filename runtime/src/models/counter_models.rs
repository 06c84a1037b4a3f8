//! The code that people write instead, under the same loom and over the same token as the models.
//! Each of these is broken, and loom must find that: a model that cannot fail would be noticed here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::AtomicU8;
use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use crate::CancellationToken;

const INITIAL: u8 = 0;
const STARTING: u8 = 1;
const RUNNING: u8 = 2;
const FAILED: u8 = 3;
const STOPPING: u8 = 4;
const STOPPED: u8 = 5;
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

/// A commit whose hook was registered, and which asks neither the flag nor what the hook has done.
/// A bit of its own does not help if the commit does not look at it.
#[test]
#[should_panic(expected = "published late")]
fn a_commit_that_checks_neither_the_flag_nor_the_hook() {
    is_never_late(|state, token| {
        state.swap(INITIAL, STARTING);
        let registered = register(token, state);
        let word = state.load();
        if registered.is_some() {
            state.swap(word, RUNNING);
        }
    });
}

/// A hook that is registered after the flag was checked, without a second check.
#[test]
#[should_panic(expected = "published late")]
fn a_flag_that_is_checked_before_the_hook_is_registered() {
    is_never_late(|state, token| {
        state.swap(INITIAL, STARTING);
        if token.is_cancelled() {
            return;
        }
        // Registers where `cancel()` has been already: its waker is not called.
        let mut wait: Registration = Box::pin(token.clone().cancelled_owned());
        let waker = Waker::from(Arc::new(Hook(state.clone())));
        let _ignored = wait.as_mut().poll(&mut Context::from_waker(&waker));
        state.swap(STARTING, RUNNING);
    });
}

/// What a service has left, behind a lock, and its own token.
struct Service {
    state: Atomic,
    parts: Mutex<usize>,
    own: CancellationToken,
}

impl Service {
    fn new(state: u8, parts: usize) -> Arc<Self> {
        let service = Self {
            state: Atomic::new(),
            parts: Mutex::new(parts),
            own: CancellationToken::new(),
        };
        service.state.swap(INITIAL, state);
        Arc::new(service)
    }

    fn parts(&self) -> MutexGuard<'_, usize> {
        self.parts.lock().expect("not poisoned")
    }

    /// A client joins unless the service has ended.
    fn join(&self) -> bool {
        let mut parts = self.parts();
        let joins = self.state.load() != STOPPED;
        *parts += usize::from(joins);
        joins
    }

    /// The last part ends: first `STOPPING`, then the own token without the lock, then `STOPPED`.
    fn stop(&self, recounts: bool) {
        let parts = self.parts();
        let none_left = *parts == 0;
        self.state.swap(RUNNING, STOPPING);
        drop(parts);
        self.own.cancel();
        let parts = self.parts();
        if none_left && (!recounts || *parts == 0) {
            self.state.swap(STOPPING, STOPPED);
        }
    }
}

/// A client that joins between the two steps of an end is counted.
fn no_part_is_left_in_stopped(recounts: bool) {
    loom::model(move || {
        let service = Service::new(RUNNING, 0);
        let joining = thread::spawn({
            let service = Arc::clone(&service);
            move || service.join()
        });
        service.stop(recounts);
        let is_part = joining.join().expect("no panic");
        let has_stopped = service.state.load() == STOPPED;
        assert!(!(is_part && has_stopped), "stopped with a part");
    });
}

#[test]
#[should_panic(expected = "stopped with a part")]
fn an_end_that_does_not_recount_the_parts() {
    no_part_is_left_in_stopped(false);
}

#[test]
fn an_end_that_recounts_the_parts() {
    no_part_is_left_in_stopped(true);
}

/// An observer of the end finds the own token cancelled.
fn token_is_cancelled_before_the_end(stop: fn(&Service)) {
    loom::model(move || {
        let service = Service::new(RUNNING, 0);
        let observing = thread::spawn({
            let service = Arc::clone(&service);
            move || {
                if service.state.load() == STOPPED {
                    assert!(service.own.is_cancelled(), "stopped under a live token");
                }
            }
        });
        stop(&service);
        observing.join().expect("no panic");
    });
}

#[test]
#[should_panic(expected = "stopped under a live token")]
fn an_own_token_that_is_cancelled_after_the_end() {
    token_is_cancelled_before_the_end(|service| {
        let parts = service.parts();
        service.state.swap(RUNNING, STOPPED);
        drop(parts);
        service.own.cancel();
    });
}

#[test]
fn an_own_token_that_is_cancelled_before_the_end() {
    token_is_cancelled_before_the_end(|service| service.stop(true));
}

/// The waker of a task, where whoever changes the state finds it.
struct Task {
    state: Atomic,
    waker: Mutex<Option<Waker>>,
}

impl Task {
    fn store_waker(&self, cx: &Context<'_>) {
        *self.waker.lock().expect("not poisoned") = Some(cx.waker().clone());
    }

    fn is_told_to_end(&self) -> bool {
        self.state.load() == STOPPING
    }
}

/// Sets a flag.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// Tells a task to end that polls by `poll`. It finds that, or is woken.
fn a_task_is_woken(poll: fn(&Task, &Context<'_>) -> bool) {
    loom::model(move || {
        let task = Arc::new(Task {
            state: Atomic::new(),
            waker: Mutex::new(None),
        });
        task.state.swap(INITIAL, RUNNING);
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let polling = thread::spawn({
            let task = Arc::clone(&task);
            let waker = Waker::from(Arc::clone(&flag));
            move || poll(&task, &Context::from_waker(&waker))
        });
        task.state.swap(RUNNING, STOPPING);
        let waker = task.waker.lock().expect("not poisoned").take();
        waker.into_iter().for_each(Waker::wake);
        let has_found_it = polling.join().expect("no panic");
        assert!(has_found_it || flag.0.load(Relaxed), "it sleeps for ever");
    });
}

#[test]
#[should_panic(expected = "it sleeps for ever")]
fn a_waker_that_is_stored_after_the_word_is_read() {
    a_task_is_woken(|task, cx| {
        let is_told_to_end = task.is_told_to_end();
        task.store_waker(cx);
        is_told_to_end
    });
}

#[test]
fn a_waker_that_is_stored_before_the_word_is_read() {
    a_task_is_woken(|task, cx| {
        task.store_waker(cx);
        task.is_told_to_end()
    });
}
