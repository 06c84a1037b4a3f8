//! The cell and the attempt under loom: every interleaving of two threads, over a model of
//! tokio-util's token. `.ci/loom` runs it.
//!
//! Each model prints how many executions it explored, and what they came to. They are exhaustive,
//! unless `LOOM_MAX_PREEMPTIONS` sets a bound.
//!
//! "Exhaustive" is as loom understands it: of interleavings that it takes for equal it runs one, and
//! it has been seen to miss some that differ (an observer on the model's main thread never saw a
//! later state than its first). Nor does it know of `std::sync::Arc`. So every model names the
//! outcomes that are possible, and fails unless it has met each of them, and no other.
#![cfg(cancel_guarded_loom)]

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{CANCELLED, FAILED, Service, TestError, not_startable};
use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::thread;

/// How often the executions of a model came to what. Kept in std's primitives, which loom does not see.
#[derive(Clone, Debug, Default)]
struct Outcomes(Arc<std::sync::Mutex<BTreeMap<String, u64>>>);

impl Outcomes {
    fn saw(&self, outcome: impl fmt::Display) {
        let mut counts = self.0.lock().expect("not poisoned");
        *counts.entry(outcome.to_string()).or_default() += 1;
    }

    fn assert_are(&self, model: &str, expected: &[&str]) {
        let counts = self.0.lock().expect("not poisoned");
        for (outcome, count) in counts.iter() {
            println!("    {count:>7} {outcome}");
        }
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        let seen: Vec<_> = counts.keys().map(String::as_str).collect();
        assert_eq!(seen, expected, "{model}: the outcomes that are possible");
    }
}

/// Explores `f`, prints how far, and asserts that it came to all of `outcomes` and to no other.
fn model(name: &str, outcomes: &[&str], f: impl Fn(&Outcomes) + Send + Sync + 'static) {
    explore(&loom::model::Builder::new(), name, outcomes, f);
}

/// As `model`, with a bound on preemptions, for more than two threads, and for models that would run
/// for half a minute: every clone, drop and child of a token takes its lock.
fn bounded(
    preemptions: usize,
    name: &str,
    outcomes: &[&str],
    f: impl Fn(&Outcomes) + Send + Sync + 'static,
) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    explore(&builder, name, outcomes, f);
}

fn explore(
    builder: &loom::model::Builder,
    name: &str,
    outcomes: &[&str],
    f: impl Fn(&Outcomes) + Send + Sync + 'static,
) {
    let bound = match builder.preemption_bound {
        Some(preemptions) => format!("at most {preemptions} preemptions"),
        None => "exhaustive".to_owned(),
    };
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    let seen = Outcomes::default();
    let seen_by_model = seen.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        f(&seen_by_model);
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions, {bound}");
    seen.assert_are(name, outcomes);
}

fn start(service: &Service, token: &CancellationToken, child: bool) -> Result<(), TestError> {
    if child {
        block_on(service.start_seeing(token.clone(), |_| async { Ok(()) }))
    } else {
        block_on(service.start(token.clone(), async { Ok(()) }))
    }
}

fn state(service: &Service) -> Lifecycle {
    service.state.state()
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of `future`, and whether it had to be waited for.
fn wait<F: Future>(future: F) -> (F::Output, &'static str) {
    let mut future = pin!(future);
    let mut waited = "at once";
    let output = block_on(poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            waited = "after a wait";
        }
        polled
    }));
    (output, waited)
}

/// The possible outcomes of a start that races `cancel()`.
const RACED: [&str; 7] = [
    "after cancel(): Created",
    "after cancel(): Failed",
    "after cancel(): Starting",
    "after cancel(): Stopping",
    "refused at entry",
    "refused with its body",
    "started",
];

/// Cancels `token` on another thread. Once that is done, `cell` does not read `RUNNING`.
fn cancelling(
    cell: &StateCell,
    token: &CancellationToken,
    seen: &Outcomes,
) -> thread::JoinHandle<()> {
    let (cell, token, seen) = (cell.clone(), token.clone(), seen.clone());
    thread::spawn(move || {
        token.cancel();
        let state = cell.state();
        assert_ne!(state, Lifecycle::Running, "cancel() has returned");
        seen.saw(format_args!("after cancel(): {state:?}"));
    })
}

/// G2, G3, G6: cancel against entry and commit. `derive` makes the start's token of the cancelled
/// one.
fn cancel_against_start(
    seen: &Outcomes,
    derive: impl Fn(&CancellationToken) -> CancellationToken,
    child: bool,
) {
    let service = Service::new();
    let token = CancellationToken::new();
    let own = derive(&token);
    let cancelling = cancelling(&service.state, &token, seen);
    let had_body = AtomicBool::new(false);
    let body = async {
        had_body.store(true, Ordering::Relaxed);
        Ok(())
    };
    let result = if child {
        block_on(service.start_seeing(own, |_| body))
    } else {
        block_on(service.start(own, body))
    };
    cancelling.join().expect("no panic");
    match result {
        Ok(()) => {
            assert_eq!(state(&service), Lifecycle::Stopping);
            seen.saw("started");
        }
        Err(error) => {
            assert_eq!(error, CANCELLED);
            assert_eq!(state(&service), Lifecycle::Failed);
            let failure = service.state.failure().expect("a cause");
            assert_eq!(failure.kind(), FailureKind::Cancelled);
            seen.saw(if had_body.load(Ordering::Relaxed) {
                "refused with its body"
            } else {
                "refused at entry"
            });
        }
    }
}

#[test]
fn cancel_and_start() {
    model("cancel ∥ start", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, false);
    });
}

#[test]
fn cancel_and_start_with_a_child() {
    model("cancel ∥ start, child", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::clone, true);
    });
}

#[test]
fn cancel_of_the_parent_and_start() {
    model("cancel of the parent ∥ start", &RACED, |seen| {
        cancel_against_start(seen, CancellationToken::child_token, false);
    });
}

/// The second to cancel may be back before the first is (a limit that the README states), but when
/// both are, it holds.
#[test]
fn two_cancel_a_start() {
    let outcomes = ["one of them saw Running", "refused", "started"];
    bounded(3, "cancel ∥ cancel ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelling = [(); 2].map(|()| {
            let (service, token) = (service.clone(), token.clone());
            thread::spawn(move || {
                token.cancel();
                state(&service) == Lifecycle::Running
            })
        });
        let result = start(&service, &token, false);
        let running = cancelling.map(|thread| thread.join().expect("no panic"));
        assert_ne!(running, [true, true], "one of them was the cancelling call");
        if running != [false, false] {
            seen.saw("one of them saw Running");
        }
        match result {
            Ok(()) => {
                assert_eq!(state(&service), Lifecycle::Stopping);
                seen.saw("started");
            }
            Err(error) => {
                assert_eq!(error, CANCELLED);
                assert_eq!(state(&service), Lifecycle::Failed);
                seen.saw("refused");
            }
        }
    });
}

#[test]
fn cancel_wakes_a_start_that_waits() {
    let outcomes = ["refused at entry", "refused where it waited"];
    model("cancel ∥ waiting start", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        let had_body = AtomicBool::new(false);
        // If the wake were lost, this would wait for ever, and loom would say so.
        let result = block_on(service.start::<()>(token, async {
            had_body.store(true, Ordering::Relaxed);
            pending().await
        }));
        cancelling.join().expect("no panic");
        assert_eq!(result, Err(CANCELLED));
        assert_eq!(state(&service), Lifecycle::Failed);
        seen.saw(if had_body.load(Ordering::Relaxed) {
            "refused where it waited"
        } else {
            "refused at entry"
        });
    });
}

#[test]
fn two_starts() {
    let outcomes = [
        "mine lost to Running",
        "mine lost to Starting",
        "the other lost to Running",
        "the other lost to Starting",
    ];
    model("start ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let other = thread::spawn({
            let service = service.clone();
            move || start(&service, &CancellationToken::new(), false)
        });
        let mine = start(&service, &CancellationToken::new(), false);
        let other = other.join().expect("no panic");
        assert!(
            mine.is_ok() != other.is_ok(),
            "one attempt: {mine:?} {other:?}"
        );
        for (who, result) in [("mine", mine), ("the other", other)] {
            match result {
                Ok(()) => {}
                Err(TestError::Refused(StartError::NotStartable { state })) => {
                    seen.saw(format_args!("{who} lost to {state}"));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(state(&service), Lifecycle::Running);
    });
}

/// Trap a.
#[test]
fn cancelling_the_loser() {
    let outcomes = [
        "the loser lost to Running",
        "the loser lost to Starting",
        "the loser was first, and was stopped",
    ];
    model("cancel of the loser ∥ winner", &outcomes, |seen| {
        let service = Service::new();
        let losing = CancellationToken::new();
        let other = thread::spawn({
            let (service, losing) = (service.clone(), losing.clone());
            move || {
                let mut start = pin!(service.start(losing.clone(), async { Ok(()) }));
                let polled = poll_once(start.as_mut());
                losing.cancel();
                polled
            }
        });
        let mine = start(&service, &CancellationToken::new(), false);
        let other = other.join().expect("no panic");
        match (mine, other) {
            (
                Ok(()),
                Poll::Ready(Err(TestError::Refused(StartError::NotStartable { state: lost_to }))),
            ) => {
                let now = state(&service);
                assert_eq!(now, Lifecycle::Running, "nobody told it to stop");
                seen.saw(format_args!("the loser lost to {lost_to}"));
            }
            (Err(TestError::Refused(StartError::NotStartable { .. })), Poll::Ready(Ok(()))) => {
                assert_eq!(state(&service), Lifecycle::Stopping);
                seen.saw("the loser was first, and was stopped");
            }
            results => panic!("one attempt: {results:?}"),
        }
    });
}

#[test]
fn start_and_fail() {
    let outcomes = ["refused", "started", "too late to start"];
    bounded(6, "start ∥ fail", &outcomes, |seen| {
        let service = Service::new();
        let failing = thread::spawn({
            let service = service.clone();
            move || {
                assert!(service.state.fail("disk full"));
                assert_ne!(state(&service), Lifecycle::Running);
            }
        });
        let result = start(&service, &CancellationToken::new(), true);
        failing.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Failed);
        seen.saw(match result {
            Ok(()) => "started",
            Err(FAILED) => "refused",
            Err(error) => {
                assert_eq!(error, not_startable("Failed"));
                "too late to start"
            }
        });
    });
}

#[test]
fn start_and_request_stop() {
    let outcomes = ["refused", "started", "too late to start"];
    bounded(6, "start ∥ request_stop", &outcomes, |seen| {
        let service = Service::new();
        let stopping = thread::spawn({
            let service = service.clone();
            move || {
                assert!(service.state.request_stop());
                assert_ne!(state(&service), Lifecycle::Running);
            }
        });
        let result = start(&service, &CancellationToken::new(), true);
        stopping.join().expect("no panic");
        match result {
            Ok(()) => {
                assert_eq!(state(&service), Lifecycle::Stopping);
                seen.saw("started");
            }
            Err(CANCELLED) => {
                assert_eq!(state(&service), Lifecycle::Failed);
                seen.saw("refused");
            }
            Err(error) => {
                assert_eq!(error, not_startable("Stopped"));
                assert_eq!(state(&service), Lifecycle::Stopped);
                seen.saw("too late to start");
            }
        }
    });
}

/// The one call that stopped a service has cancelled what it serves, though it may have ended
/// meanwhile.
#[test]
fn request_stop_and_the_end_of_the_service() {
    let outcomes = [
        "after request_stop(): Stopped",
        "after request_stop(): Stopping",
    ];
    model("request_stop ∥ the service's end", &outcomes, |seen| {
        let service = Service::new();
        let started = block_on(
            service.start_seeing(CancellationToken::new(), |shutdown| async { Ok(shutdown) }),
        );
        let own = started.expect("starts");
        let stopping = thread::spawn({
            let (service, seen) = (service.clone(), seen.clone());
            move || {
                assert!(service.state.request_stop());
                assert!(own.is_cancelled());
                seen.saw(format_args!("after request_stop(): {:?}", state(&service)));
            }
        });
        let cell = &service.state;
        let _ = cell.transition(Lifecycle::Stopping, Lifecycle::Stopped);
        stopping.join().expect("no panic");
    });
}

/// Trap b: the wake of a former attempt arrives while the next one is under way.
#[test]
fn a_late_wake_and_a_restart() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Running",
        "after cancel(): Starting",
        "the first was cancelled",
        "the first was dropped",
    ];
    model("cancel ∥ restart", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let (service, token, seen) = (service.clone(), token.clone(), seen.clone());
            move || {
                token.cancel();
                seen.saw(format_args!("after cancel(): {:?}", state(&service)));
            }
        });
        {
            let mut first = pin!(service.start::<()>(token, pending()));
            let _ = poll_once(first.as_mut());
        }
        assert_eq!(state(&service), Lifecycle::Failed);
        let failure = service.state.failure().expect("a cause");
        seen.saw(match failure.kind() {
            FailureKind::Cancelled => "the first was cancelled",
            FailureKind::Dropped => "the first was dropped",
            _ => panic!("{failure:?}"),
        });
        let again = block_on(service.restart(CancellationToken::new(), async { Ok(()) }));
        assert_eq!(again, Ok(()), "no one cancelled this one");
        cancelling.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Running);
    });
}

/// G6 against the end of what is served.
#[test]
fn cancel_and_the_end_of_a_served_future() {
    let outcomes = ["after cancel(): Stopped", "after cancel(): Stopping"];
    model("cancel ∥ serve's end", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let served =
            block_on(service.start(token.clone(), async { Ok(service.state.serve(async {})) }))
                .expect("starts");
        let cancelling = thread::spawn({
            let (service, token, seen) = (service.clone(), token.clone(), seen.clone());
            move || {
                token.cancel();
                seen.saw(format_args!("after cancel(): {:?}", state(&service)));
            }
        });
        assert_eq!(block_on(served), Some(()));
        assert_eq!(state(&service), Lifecycle::Stopped);
        cancelling.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Stopped, "terminal is terminal");
    });
}

/// G4: who drops a served future last publishes `FAILED`, and the start waits for it.
#[test]
fn a_served_future_is_lost_while_the_start_is_refused() {
    let outcomes = ["refused as cancelled", "refused as failed"];
    model("drop of served ∥ refusal", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let gone = Arc::new(());
        let slot = std::sync::Mutex::new(None);
        let mut start = Box::pin(service.start::<()>(token.clone(), async {
            let part = Arc::clone(&gone);
            *slot.lock().expect("not poisoned") = Some(service.state.serve(async move {
                let _ = &part;
            }));
            pending().await
        }));
        let polled = poll_once(start.as_mut());
        assert!(polled.is_pending());
        let served = slot.lock().expect("not poisoned").take().expect("served");
        let dropping = thread::spawn(move || drop(served));
        token.cancel();
        let result = block_on(start);
        seen.saw(match result {
            Err(CANCELLED) => "refused as cancelled",
            Err(FAILED) => "refused as failed",
            other => panic!("{other:?}"),
        });
        assert_eq!(state(&service), Lifecycle::Failed);
        assert_eq!(Arc::strong_count(&gone), 1, "nothing is left of it");
        dropping.join().expect("no panic");
    });
}

#[test]
fn drop_of_the_start_and_wake() {
    model("drop ∥ cancel", &["cancelled", "dropped"], |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let mut start = Box::pin(service.start::<()>(token.clone(), pending()));
        let polled = poll_once(start.as_mut());
        assert!(polled.is_pending());
        let cancelling = thread::spawn(move || token.cancel());
        drop(start);
        assert_eq!(state(&service), Lifecycle::Failed);
        cancelling.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Failed);
        let failure = service.state.failure().expect("a cause");
        seen.saw(match failure.kind() {
            FailureKind::Cancelled => "cancelled",
            FailureKind::Dropped => "dropped",
            _ => panic!("{failure:?}"),
        });
    });
}

/// The hook comes while the last handle goes, and takes along what ties the cell to the token. Loom
/// explores how the handles are counted. The `Arc` behind them is std's, of which it does not know:
/// whether it is the drop or the hook that frees the cell is left to the order of everything else.
#[test]
fn drop_of_the_last_handle_and_wake() {
    let outcomes = ["dropped in Running", "dropped in Stopping"];
    model("drop of the last handle ∥ cancel", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        start(&service, &token, true).expect("starts");
        let dropping = thread::spawn({
            let seen = seen.clone();
            move || {
                let state = state(&service);
                drop(service);
                seen.saw(format_args!("dropped in {state:?}"));
            }
        });
        token.cancel();
        dropping.join().expect("no panic");
    });
}

/// The same while a future is still served, whose loss ends the service.
#[test]
fn drop_of_everything_and_wake() {
    let outcomes = ["dropped in Running", "dropped in Stopping"];
    model("drop of everything ∥ cancel", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let part = Arc::new(());
        let served = block_on(service.start_seeing(token.clone(), |_| async {
            let part = Arc::clone(&part);
            Ok(service.state.serve(async move {
                let _ = &part;
                pending::<()>().await;
            }))
        }))
        .expect("starts");
        let dropping = thread::spawn({
            let seen = seen.clone();
            move || {
                seen.saw(format_args!("dropped in {:?}", state(&service)));
                drop((service, served));
            }
        });
        token.cancel();
        dropping.join().expect("no panic");
        assert_eq!(Arc::strong_count(&part), 1, "nothing is left of it");
    });
}

#[test]
fn running_never_misses_a_wake() {
    model("running() ∥ start", &["after a wait", "at once"], |seen| {
        let service = Service::new();
        let waiting = thread::spawn({
            let running = service.state.running();
            move || wait(running)
        });
        start(&service, &CancellationToken::new(), false).expect("starts");
        let (published, waited) = waiting.join().expect("no panic");
        assert_eq!(published, Ok(()));
        seen.saw(waited);
    });
}

#[test]
fn wait_for_never_misses_a_wake() {
    model("wait_for ∥ cancel", &["after a wait", "at once"], |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        start(&service, &token, false).expect("starts");
        let waiting = thread::spawn({
            let cell = service.state.clone();
            move || wait(cell.wait_for(|state| state == Lifecycle::Stopping))
        });
        token.cancel();
        let (state, waited) = waiting.join().expect("no panic");
        assert_eq!(state, Lifecycle::Stopping);
        seen.saw(waited);
    });
}

/// A served future that is polled before the service is up is woken when it is.
#[test]
fn serve_never_misses_the_publication() {
    model(
        "serve ∥ publication",
        &["after a wait", "at once"],
        |seen| {
            let service = Service::new();
            let slot = std::sync::Mutex::new(None);
            let mut start = Box::pin(service.start(CancellationToken::new(), async {
                *slot.lock().expect("not poisoned") = Some(service.state.serve(async {}));
                let mut is_second = false;
                poll_fn(|_| {
                    if std::mem::replace(&mut is_second, true) {
                        Poll::Ready(Ok(()))
                    } else {
                        Poll::Pending
                    }
                })
                .await
            }));
            assert!(poll_once(start.as_mut()).is_pending());
            let served = slot.lock().expect("not poisoned").take().expect("served");
            let serving = thread::spawn(move || wait(served));
            assert_eq!(poll_once(start.as_mut()), Poll::Ready(Ok(())));
            let (output, waited) = serving.join().expect("no panic");
            assert_eq!(output, Some(()));
            assert_eq!(state(&service), Lifecycle::Stopped);
            seen.saw(waited);
        },
    );
}

/// Invariant 8: who comes while the start is under way, and whom a commit without the lock would
/// miss.
#[test]
fn whoever_comes_to_wait_is_told_of_the_commit() {
    let outcomes = ["after a wait", "at once"];
    model("running() comes ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let waiting = thread::spawn({
            let cell = service.state.clone();
            move || wait(cell.running())
        });
        start(&service, &CancellationToken::new(), false).expect("starts");
        let (published, waited) = waiting.join().expect("no panic");
        assert_eq!(published, Ok(()));
        seen.saw(waited);
    });
}

/// The same of a state that comes and stays.
#[test]
fn whoever_waits_for_a_state_is_told_of_the_commit() {
    let outcomes = ["after a wait", "at once"];
    model("wait_for comes ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let waiting = thread::spawn({
            let cell = service.state.clone();
            move || wait(cell.wait_for(|state| state == Lifecycle::Running))
        });
        start(&service, &CancellationToken::new(), false).expect("starts");
        let (running, waited) = waiting.join().expect("no panic");
        assert_eq!(running, Lifecycle::Running);
        seen.saw(waited);
    });
}

/// The same of what is to be served, when it comes from outside of the body.
#[test]
fn whoever_comes_to_serve_is_counted() {
    let outcomes = ["joined", "too early"];
    model("serve comes ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let serving = thread::spawn({
            let cell = service.state.clone();
            move || wait(cell.serve(async {})).0
        });
        start(&service, &CancellationToken::new(), false).expect("starts");
        let served = serving.join().expect("no panic");
        let (outcome, ends_in) = match served {
            Some(()) => ("joined", Lifecycle::Stopped),
            None => ("too early", Lifecycle::Running),
        };
        assert_eq!(state(&service), ends_in, "{outcome}");
        seen.saw(outcome);
    });
}

/// A refusal at entry, which takes no lock either, and who waits for what becomes of the start.
#[test]
fn whoever_comes_to_wait_is_told_of_a_refusal_at_entry() {
    let outcomes = ["for the next", "refused after a wait", "refused at once"];
    model("running() comes ∥ refusal", &outcomes, |seen| {
        let service = Service::new();
        let waiting = thread::spawn({
            let cell = service.state.clone();
            move || wait(cell.running())
        });
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        assert_eq!(start(&service, &cancelled, false), Err(CANCELLED));
        let again = service.restart(CancellationToken::new(), async { Ok(()) });
        assert_eq!(block_on(again), Ok(()));
        let (published, waited) = waiting.join().expect("no panic");
        seen.saw(match (published, waited) {
            (Ok(()), _) => "for the next",
            (Err(_), "at once") => "refused at once",
            (Err(_), _) => "refused after a wait",
        });
    });
}

/// A start that is refused at entry beside one that is not: one of them has the cell.
#[test]
fn a_refusal_at_entry_and_a_start() {
    let outcomes = ["the refusal", "the start"];
    model("refusal ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let starting = thread::spawn({
            let service = service.clone();
            move || start(&service, &CancellationToken::new(), false)
        });
        let cancelled = CancellationToken::new();
        cancelled.cancel();
        let refused = start(&service, &cancelled, false);
        let started = starting.join().expect("no panic");
        seen.saw(match (refused, started) {
            (Err(CANCELLED), Err(error)) => {
                assert_eq!(error, not_startable("Failed"));
                assert_eq!(state(&service), Lifecycle::Failed);
                "the refusal"
            }
            (Err(error), Ok(())) => {
                let lost = ["Starting", "Running"].map(not_startable);
                assert!(lost.contains(&error), "{error:?}");
                assert_eq!(state(&service), Lifecycle::Running);
                "the start"
            }
            other => panic!("{other:?}"),
        });
    });
}

/// What the body did happened before whoever reads `RUNNING`, though nobody takes a lock.
#[test]
fn whoever_reads_running_is_behind_the_body() {
    let outcomes = ["observed Created", "observed Running", "observed Starting"];
    model("body ∥ observer", &outcomes, |seen| {
        let service = Service::new();
        #[expect(
            clippy::arc_with_non_send_sync,
            reason = "loom looks whether it is shared"
        )]
        let part = Arc::new(UnsafeCell::new(()));
        let observing = thread::spawn({
            let (service, part, seen) = (service.clone(), Arc::clone(&part), seen.clone());
            move || {
                let state = state(&service);
                if state == Lifecycle::Running {
                    part.with(|_| ());
                }
                seen.saw(format_args!("observed {state:?}"));
            }
        });
        let started = block_on(service.start(CancellationToken::new(), async move {
            part.with_mut(|_| ());
            Ok(())
        }));
        assert_eq!(started, Ok(()));
        observing.join().expect("no panic");
    });
}

#[test]
fn two_ask_it_to_stop() {
    let outcomes = ["mine did it", "the other did it"];
    model("request_stop ∥ request_stop", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        start(&service, &token, true).expect("starts");
        let stopping = thread::spawn({
            let service = service.clone();
            move || {
                let did_it = service.state.request_stop();
                assert_eq!(state(&service), Lifecycle::Stopping);
                did_it
            }
        });
        let mine = service.state.request_stop();
        assert_eq!(state(&service), Lifecycle::Stopping);
        let other = stopping.join().expect("no panic");
        assert!(mine != other, "one transition");
        seen.saw(if mine {
            "mine did it"
        } else {
            "the other did it"
        });
    });
}

/// The first cause stays, and the result agrees with it.
#[test]
fn fail_and_cancel() {
    let outcomes = ["cancelled first", "failed first"];
    model("fail ∥ cancel", &outcomes, |seen| {
        let service = Service::new();
        let token = CancellationToken::new();
        let mut start = Box::pin(service.start::<()>(token.clone(), pending()));
        assert!(poll_once(start.as_mut()).is_pending());
        let failing = thread::spawn({
            let service = service.clone();
            move || service.state.fail("disk full")
        });
        token.cancel();
        let result = block_on(start);
        let was_first = failing.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Failed);
        let failure = service.state.failure().expect("a cause");
        let (error, kind, outcome) = if was_first {
            (FAILED, FailureKind::Error, "failed first")
        } else {
            (CANCELLED, FailureKind::Cancelled, "cancelled first")
        };
        assert_eq!((result, failure.kind()), (Err(error), kind));
        seen.saw(outcome);
    });
}

/// R4, R11: `stop` waits for the very attempt that it stopped.
#[test]
fn stop_and_start() {
    let outcomes = ["refused", "too late to start"];
    model("stop ∥ start", &outcomes, |seen| {
        let service = Service::new();
        let stopping = thread::spawn({
            let service = service.clone();
            move || {
                let stopped = block_on(service.state.stop());
                assert!(stopped, "it is the only one");
                let state = state(&service);
                assert!(
                    matches!(state, Lifecycle::Stopped | Lifecycle::Failed),
                    "{state:?}"
                );
            }
        });
        let result = block_on(service.start::<()>(CancellationToken::new(), pending()));
        stopping.join().expect("no panic");
        seen.saw(match result {
            Err(CANCELLED) => "refused",
            Err(error) => {
                assert_eq!(error, not_startable("Stopped"));
                "too late to start"
            }
            Ok(()) => unreachable!("its body waits for ever"),
        });
    });
}

/// G4: the attempt's token is cancelled before `FAILED` can be read, whoever fails it.
#[test]
fn the_token_is_cancelled_before_failed() {
    let outcomes = [
        "after request_stop(): Failed",
        "after request_stop(): Starting",
    ];
    bounded(6, "request_stop ∥ refusal: token", &outcomes, |seen| {
        let service = Service::new();
        let child = Arc::new(std::sync::Mutex::new(None));
        let mut start = Box::pin(service.start_seeing::<(), _>(CancellationToken::new(), {
            let child = Arc::clone(&child);
            move |shutdown| {
                *child.lock().expect("not poisoned") = Some(shutdown);
                pending()
            }
        }));
        let polled = poll_once(start.as_mut());
        assert!(polled.is_pending());
        let child = child.lock().expect("not poisoned").take().expect("seen");
        let stopping = thread::spawn({
            let (service, seen) = (service.clone(), seen.clone());
            move || {
                assert!(service.state.request_stop());
                seen.saw(format_args!("after request_stop(): {:?}", state(&service)));
            }
        });
        assert_eq!(block_on(start), Err(CANCELLED));
        assert_eq!(state(&service), Lifecycle::Failed);
        assert!(child.is_cancelled(), "before FAILED");
        stopping.join().expect("no panic");
    });
}

/// G4: so it is for whoever looks on while the last served future ends and the service is failed.
#[test]
fn an_observer_of_failed_finds_the_token_cancelled() {
    let outcomes = [
        "observed Failed",
        "observed Running",
        "observed Stopped",
        "observed Stopping",
    ];
    bounded(4, "fail ∥ serve's end ∥ observer", &outcomes, |seen| {
        let service = Service::new();
        let (child, served) = block_on(
            service.start_seeing(CancellationToken::new(), |shutdown| async {
                Ok((shutdown, service.state.serve(async {})))
            }),
        )
        .expect("starts");
        let failing = thread::spawn({
            let service = service.clone();
            move || service.state.fail("disk full")
        });
        let observing = thread::spawn({
            let (service, seen) = (service.clone(), seen.clone());
            move || {
                let state = state(&service);
                if state == Lifecycle::Failed {
                    assert!(child.is_cancelled(), "before FAILED");
                }
                seen.saw(format_args!("observed {state:?}"));
            }
        });
        block_on(served);
        failing.join().expect("no panic");
        observing.join().expect("no panic");
    });
}

/// G4: what the body did before it was dropped happened before whoever reads `FAILED`: the word
/// is released and acquired. Loom sees a race if it is not.
#[test]
fn whoever_reads_failed_is_behind_the_drop_of_the_body() {
    struct Part(Arc<UnsafeCell<()>>);
    impl Drop for Part {
        fn drop(&mut self) {
            self.0.with_mut(|_| ());
        }
    }

    let outcomes = ["observed Created", "observed Failed", "observed Starting"];
    model("drop of the body ∥ observer", &outcomes, |seen| {
        let service = Service::new();
        #[expect(
            clippy::arc_with_non_send_sync,
            reason = "loom looks whether it is shared"
        )]
        let part = Arc::new(UnsafeCell::new(()));
        let observing = thread::spawn({
            let (service, part, seen) = (service.clone(), Arc::clone(&part), seen.clone());
            move || {
                let state = state(&service);
                if state == Lifecycle::Failed {
                    part.with(|_| ());
                }
                seen.saw(format_args!("observed {state:?}"));
            }
        });
        let part = Part(part);
        let failed = block_on(service.start::<()>(CancellationToken::new(), async move {
            let _ = &part;
            Err(TestError::Own("no"))
        }));
        assert!(failed.is_err());
        observing.join().expect("no panic");
    });
}

#[test]
fn early_publication_and_cancel() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Starting",
        "after cancel(): Stopped",
        "after cancel(): Stopping",
        "refused",
        "started",
    ];
    model("cancel ∥ store(RUNNING)", &outcomes, |seen| {
        let cell = StateCell::new();
        let token = CancellationToken::new();
        let cancelling = cancelling(&cell, &token, seen);
        let result = block_on(publishes(&cell, token));
        cancelling.join().expect("no panic");
        match result {
            Ok(()) => {
                assert_eq!(cell.state(), Lifecycle::Stopped);
                seen.saw("started");
            }
            Err(error) => {
                assert_eq!(error, CANCELLED);
                assert_eq!(cell.state(), Lifecycle::Failed);
                seen.saw("refused");
            }
        }
    });
}

#[cancel_guarded(state = cell)]
async fn publishes(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
    cell.store(Lifecycle::Running);
    Ok(())
}

/// G6, where the service looks at the token while that is waking its waiters one after the other:
/// the hook among them must not be lost.
#[test]
fn a_look_at_the_token_and_cancel() {
    let outcomes = [
        "after cancel(): Created",
        "after cancel(): Failed",
        "after cancel(): Starting",
        "after cancel(): Stopping",
    ];
    model("cancel ∥ store(RUNNING) twice", &outcomes, |seen| {
        let cell = StateCell::new();
        let token = CancellationToken::new();
        // The model wakes two at once, so the hook is in the second batch.
        let _others = [(); 2].map(|()| {
            let mut other = Box::pin(token.clone().cancelled_owned());
            assert!(poll_once(other.as_mut()).is_pending());
            other
        });
        let cancelling = cancelling(&cell, &token, seen);
        let mut start = Box::pin(publishes_twice(&cell, &token));
        let _ = poll_once(start.as_mut());
        cancelling.join().expect("no panic");
    });
}

#[cancel_guarded(state = cell)]
async fn publishes_twice(cell: &StateCell, shutdown: &CancellationToken) -> Result<(), TestError> {
    cell.store(Lifecycle::Running);
    cell.store(Lifecycle::Running);
    pending().await
}

#[test]
fn stop_returns_once_the_service_has_ended() {
    let outcomes = ["it had ended", "it was stopped"];
    model("stop ∥ serve's end", &outcomes, |seen| {
        let service = Service::new();
        let served = block_on(service.start(CancellationToken::new(), async {
            Ok(service.state.serve(async {}))
        }))
        .expect("starts");
        let stopping = thread::spawn({
            let cell = service.state.clone();
            move || {
                let did_it = block_on(cell.stop());
                assert_eq!(cell.state(), Lifecycle::Stopped);
                did_it
            }
        });
        assert_eq!(block_on(served), Some(()));
        let did_it = stopping.join().expect("no panic");
        seen.saw(if did_it {
            "it was stopped"
        } else {
            "it had ended"
        });
        assert_eq!(state(&service), Lifecycle::Stopped);
    });
}

/// The waker of a waiter on a token.
struct ForeignWaker {
    panics: bool,
    /// One of loom's, so that loom explores whether the wake or a look at it comes first.
    is_woken: loom::sync::atomic::AtomicBool,
}

impl ForeignWaker {
    fn new(panics: bool) -> Arc<Self> {
        Arc::new(Self {
            panics,
            is_woken: loom::sync::atomic::AtomicBool::new(false),
        })
    }

    fn is_woken(&self) -> bool {
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

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

fn poll_wait(wait: &mut Wait, waker: &Arc<ForeignWaker>) -> Poll<()> {
    let waker = Waker::from(Arc::clone(waker));
    wait.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Registers a waiter with `token`.
fn register(token: &CancellationToken, panics: bool) -> (Wait, Arc<ForeignWaker>) {
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
