//! The cell and the attempt under loom: every interleaving of two threads, over a model of
//! tokio-util's token. `.ci/loom` runs it.
//!
//! Each model prints how many executions it explored. They are exhaustive, unless
//! `LOOM_MAX_PREEMPTIONS` sets a bound.
#![cfg(cancel_guarded_loom)]

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, FAILED, Service, TestError, not_startable};
use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::thread;

/// Explores `f`, and prints how far.
fn model(name: &str, f: impl Fn() + Send + Sync + 'static) {
    explore(loom::model::Builder::new(), name, f);
}

/// The same with a bound on preemptions, for more than two threads.
fn bounded(preemptions: usize, name: &str, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    explore(builder, name, f);
}

fn explore(builder: loom::model::Builder, name: &str, f: impl Fn() + Send + Sync + 'static) {
    let bound = match builder.preemption_bound {
        Some(preemptions) => format!("at most {preemptions} preemptions"),
        None => "exhaustive".to_owned(),
    };
    let executions = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&executions);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        f();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions, {bound}");
    assert!(executions > 1, "{name}: nothing was explored");
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

/// G2, G3, G6: cancel against entry and commit.
fn cancel_against_start(child: bool) {
    let service = Service::new();
    let token = CancellationToken::new();
    let cancelling = thread::spawn({
        let (service, token) = (service.clone(), token.clone());
        move || {
            token.cancel();
            assert_ne!(state(&service), Lifecycle::Running, "cancel() has returned");
        }
    });
    let result = start(&service, &token, child);
    cancelling.join().expect("no panic");
    match result {
        Ok(()) => assert_eq!(state(&service), Lifecycle::Stopping),
        Err(error) => {
            assert_eq!(error, CANCELLED);
            assert_eq!(state(&service), Lifecycle::Failed);
            let failure = service.state.failure().expect("a cause");
            assert_eq!(failure.kind(), FailureKind::Cancelled);
        }
    }
}

#[test]
fn cancel_and_start() {
    model("cancel ∥ start", || cancel_against_start(false));
}

#[test]
fn cancel_and_start_with_a_child() {
    model("cancel ∥ start, child", || cancel_against_start(true));
}

#[test]
fn cancel_wakes_a_start_that_waits() {
    model("cancel ∥ waiting start", || {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        // If the wake were lost, this would wait for ever, and loom would say so.
        let result = block_on(service.start::<()>(token, pending()));
        cancelling.join().expect("no panic");
        assert_eq!(result, Err(CANCELLED));
        assert_eq!(state(&service), Lifecycle::Failed);
    });
}

#[test]
fn two_starts() {
    model("start ∥ start", || {
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
        assert_eq!(state(&service), Lifecycle::Running);
    });
}

/// Trap a.
#[test]
fn cancelling_the_loser() {
    model("cancel of the loser ∥ winner", || {
        let service = Service::new();
        let losing = CancellationToken::new();
        let other = thread::spawn({
            let (service, losing) = (service.clone(), losing.clone());
            move || {
                let mut start = pin!(service.start(losing.clone(), async { Ok(()) }));
                let polled = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                losing.cancel();
                polled
            }
        });
        let mine = start(&service, &CancellationToken::new(), false);
        let other = other.join().expect("no panic");
        if mine.is_ok() {
            assert!(
                matches!(other, std::task::Poll::Ready(Err(_))),
                "one attempt"
            );
            assert_eq!(
                state(&service),
                Lifecycle::Running,
                "nobody told it to stop"
            );
        } else {
            assert!(matches!(mine, Err(TestError::Refused(_))));
        }
    });
}

#[test]
fn start_and_fail() {
    model("start ∥ fail", || {
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
        let refused = [Ok(()), Err(FAILED), Err(not_startable("Failed"))];
        assert!(refused.contains(&result), "{result:?}");
    });
}

#[test]
fn start_and_request_stop() {
    model("start ∥ request_stop", || {
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
            Ok(()) => assert_eq!(state(&service), Lifecycle::Stopping),
            Err(CANCELLED) => assert_eq!(state(&service), Lifecycle::Failed),
            Err(error) => {
                assert_eq!(error, not_startable("Stopped"));
                assert_eq!(state(&service), Lifecycle::Stopped);
            }
        }
    });
}

/// Trap b: the wake of a former attempt arrives while the next one is under way.
#[test]
fn a_late_wake_and_a_restart() {
    model("cancel ∥ restart", || {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        {
            let mut first = pin!(service.start::<()>(token, pending()));
            let _ = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        assert_eq!(state(&service), Lifecycle::Failed);
        let again = block_on(service.restart(CancellationToken::new(), async { Ok(()) }));
        assert_eq!(again, Ok(()), "nobody cancelled this one");
        cancelling.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Running);
    });
}

/// G6 against the end of what is served.
#[test]
fn cancel_and_the_end_of_a_served_future() {
    model("cancel ∥ serve's end", || {
        let service = Service::new();
        let token = CancellationToken::new();
        let served =
            block_on(service.start(token.clone(), async { Ok(service.state.serve(async {})) }))
                .expect("starts");
        let cancelling = thread::spawn({
            let (service, token) = (service.clone(), token.clone());
            move || {
                token.cancel();
                assert_ne!(state(&service), Lifecycle::Running, "cancel() has returned");
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
    model("drop of served ∥ refusal", || {
        let service = Service::new();
        let token = CancellationToken::new();
        let gone = Arc::new(());
        let slot = std::sync::Mutex::new(None);
        let mut start = Box::pin(service.start::<()>(token.clone(), async {
            let part = Arc::clone(&gone);
            *slot.lock().expect("not poisoned") = Some(service.state.serve(async move {
                let _part = part;
            }));
            pending().await
        }));
        let polled = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let served = slot.lock().expect("not poisoned").take().expect("served");
        let dropping = thread::spawn(move || drop(served));
        token.cancel();
        let result = block_on(start);
        assert!(matches!(result, Err(CANCELLED | FAILED)), "{result:?}");
        assert_eq!(state(&service), Lifecycle::Failed);
        assert_eq!(Arc::strong_count(&gone), 1, "nothing is left of it");
        dropping.join().expect("no panic");
    });
}

#[test]
fn drop_of_the_start_and_wake() {
    model("drop ∥ cancel", || {
        let service = Service::new();
        let token = CancellationToken::new();
        let mut start = Box::pin(service.start::<()>(token.clone(), pending()));
        let polled = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let cancelling = thread::spawn(move || token.cancel());
        drop(start);
        assert_eq!(state(&service), Lifecycle::Failed);
        cancelling.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Failed);
        let failure = service.state.failure().expect("a cause");
        let kinds = [FailureKind::Dropped, FailureKind::Cancelled];
        assert!(kinds.contains(&failure.kind()), "{failure:?}");
    });
}

#[test]
fn drop_of_the_last_handle_and_wake() {
    model("drop of the last handle ∥ cancel", || {
        let service = Service::new();
        let token = CancellationToken::new();
        start(&service, &token, true).expect("starts");
        let cancelling = thread::spawn(move || token.cancel());
        drop(service);
        cancelling.join().expect("no panic");
    });
}

#[test]
fn running_never_misses_a_wake() {
    model("running() ∥ start", || {
        let service = Service::new();
        let waiting = thread::spawn({
            let running = service.state.running();
            move || block_on(running)
        });
        start(&service, &CancellationToken::new(), false).expect("starts");
        assert_eq!(waiting.join().expect("no panic"), Ok(()));
    });
}

#[test]
fn wait_for_never_misses_a_wake() {
    model("wait_for ∥ cancel", || {
        let service = Service::new();
        let token = CancellationToken::new();
        start(&service, &token, false).expect("starts");
        let waiting = thread::spawn({
            let cell = service.state.clone();
            move || block_on(cell.wait_for(|state| state == Lifecycle::Stopping))
        });
        token.cancel();
        assert_eq!(waiting.join().expect("no panic"), Lifecycle::Stopping);
    });
}

/// R4, R11: `stop` waits for the very attempt that it stopped.
#[test]
fn stop_and_start() {
    model("stop ∥ start", || {
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
        let refused = [Err(CANCELLED), Err(not_startable("Stopped"))];
        assert!(refused.contains(&result), "{result:?}");
        stopping.join().expect("no panic");
    });
}

/// G4: the attempt's token is cancelled before `FAILED` can be read, whoever fails it.
#[test]
fn the_token_is_cancelled_before_failed() {
    model("fail ∥ refusal: token", || {
        let service = Service::new();
        let child = Arc::new(std::sync::Mutex::new(None));
        let mut start = Box::pin(service.start_seeing::<(), _>(CancellationToken::new(), {
            let child = Arc::clone(&child);
            move |shutdown| {
                *child.lock().expect("not poisoned") = Some(shutdown);
                pending()
            }
        }));
        let polled = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let child = child.lock().expect("not poisoned").take().expect("seen");
        let failing = thread::spawn({
            let service = service.clone();
            move || service.state.request_stop()
        });
        assert_eq!(block_on(start), Err(CANCELLED));
        assert_eq!(state(&service), Lifecycle::Failed);
        assert!(child.is_cancelled(), "before FAILED");
        assert!(failing.join().expect("no panic"));
    });
}

/// G4: so it is for whoever looks on while the last served future ends and the service is failed.
#[test]
fn an_observer_of_failed_finds_the_token_cancelled() {
    bounded(5, "fail ∥ serve's end ∥ observer", || {
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
            let service = service.clone();
            move || {
                if state(&service) == Lifecycle::Failed {
                    assert!(child.is_cancelled(), "before FAILED");
                }
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

    model("drop of the body ∥ observer", || {
        let service = Service::new();
        let part = Arc::new(UnsafeCell::new(()));
        let observing = thread::spawn({
            let (service, part) = (service.clone(), Arc::clone(&part));
            move || {
                if state(&service) == Lifecycle::Failed {
                    part.with(|_| ());
                }
            }
        });
        let part = Part(part);
        let failed = block_on(service.start::<()>(CancellationToken::new(), async move {
            let _part = part;
            Err(TestError::Own("no"))
        }));
        assert!(failed.is_err());
        observing.join().expect("no panic");
    });
}

#[test]
fn early_publication_and_cancel() {
    model("cancel ∥ store(RUNNING)", || {
        let cell = StateCell::new();
        let token = CancellationToken::new();
        let cancelling = thread::spawn({
            let (cell, token) = (cell.clone(), token.clone());
            move || {
                token.cancel();
                assert_ne!(cell.state(), Lifecycle::Running, "cancel() has returned");
            }
        });
        let result = block_on(publishes(&cell, token));
        cancelling.join().expect("no panic");
        match result {
            Ok(()) => assert_eq!(cell.state(), Lifecycle::Stopped),
            Err(error) => {
                assert_eq!(error, CANCELLED);
                assert_eq!(cell.state(), Lifecycle::Failed);
            }
        }
    });
}

#[cancel_guarded(state = cell)]
async fn publishes(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
    cell.store(Lifecycle::Running);
    Ok(())
}

#[test]
fn stop_returns_once_the_service_has_ended() {
    model("stop ∥ serve's end", || {
        let service = Service::new();
        let served = block_on(service.start(CancellationToken::new(), async {
            Ok(service.state.serve(async {}))
        }))
        .expect("starts");
        let stopping = thread::spawn({
            let cell = service.state.clone();
            move || block_on(cell.stop())
        });
        assert_eq!(block_on(served), Some(()));
        stopping.join().expect("no panic");
        assert_eq!(state(&service), Lifecycle::Stopped);
    });
}
