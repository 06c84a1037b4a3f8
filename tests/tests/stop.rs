//! Stopping a service, and waiting for it: `request_stop`, `stop`, `stop_or_abort`, `stopped` and
//! `running`, around guarded functions.

use std::error::Error as _;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, NotRunning, StartError, StateCell,
    cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Count, Flag, Log, Service, TestError, not_startable, now, running_service,
};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

/// A service with one served future, which ends when its token is cancelled.
#[derive(Default)]
struct Polite {
    state: StateCell,
}

impl Polite {
    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> Result<CancellationToken, StartError> {
        let own = shutdown.clone();
        tokio::spawn(self.state.serve(async move { shutdown.cancelled().await }));
        Ok(own)
    }
}

#[test]
fn request_stop_before_any_start() {
    let service = Service::new();
    assert!(service.state.request_stop());
    assert!(!service.state.request_stop(), "the first call did it");
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert_eq!(service.state.failure(), None, "nothing failed");
    assert_eq!(
        now(service.start(CancellationToken::new(), async { Ok(()) })),
        Err(not_startable("Stopped"))
    );
}

#[test]
fn request_stop_during_a_start() {
    let service = Service::new();
    let child = Log::default();
    let mut start = task::spawn(service.start_seeing::<(), _>(
        CancellationToken::new(),
        |shutdown| {
            child.push(shutdown);
            pending()
        },
    ));
    assert_pending!(start.poll());
    assert!(service.state.request_stop());
    assert!(!service.state.request_stop(), "the first call did it");
    assert!(child.all()[0].is_cancelled());
    assert!(start.is_woken());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

#[test]
fn request_stop_of_a_running_service() {
    let service = Service::new();
    let (child, guard) = now(
        service.start_seeing(CancellationToken::new(), |shutdown| async {
            Ok((shutdown, service.state.serve_guard()))
        }),
    )
    .expect("starts");
    assert!(service.state.request_stop());
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert!(child.is_cancelled());
    assert!(!service.state.request_stop(), "the first call did it");
    drop(guard);
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

/// It reports the latch, not the state: this is the first request to stop.
#[test]
fn request_stop_after_a_cancel_is_the_first() {
    let (service, token) = running_service();
    token.cancel();
    assert!(service.state.request_stop());
    assert!(!service.state.request_stop());
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

#[test]
fn every_caller_of_stop_waits_for_the_end() {
    let service = Service::new();
    let guard = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve_guard())
    }));
    let mut first = task::spawn(service.state.stop());
    let mut second = task::spawn(service.state.stop());
    assert_pending!(first.poll());
    assert_pending!(second.poll(), "it does not return before the first");
    drop(guard);
    assert!(first.is_woken() && second.is_woken());
    assert_ready_ok!(first.poll());
    assert_ready_ok!(second.poll());
}

#[test]
fn stop_before_any_start_returns_at_once() {
    let cell: StateCell = StateCell::new();
    assert_eq!(now(cell.stop()), Ok(()));
    assert_eq!(now(cell.stop()), Ok(()));
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn stop_of_a_service_that_serves_nothing_returns_at_once() {
    let (service, _token) = running_service();
    assert_eq!(now(service.state.stop()), Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

#[test]
fn stop_during_a_start_waits_for_its_end() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll());
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll(), "it was told to end, and did");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// The task that owns a suspended start has to drop it, because no other task polls it.
#[test]
fn stop_in_the_task_that_owns_the_start_waits_until_the_start_is_dropped() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll());
    drop(start);
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll());
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled, "stop came first");
}

#[test]
fn stop_says_what_the_service_failed_with() {
    let service = Service::new();
    let guard = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve_guard())
    }));
    let mut stop = task::spawn(service.state.stop());
    assert_pending!(stop.poll());
    assert!(service.state.fail("flush failed"));
    drop(guard);
    let failure = assert_ready!(stop.poll()).expect_err("it failed on its way down");
    assert_eq!(failure.to_string(), "flush failed");
    assert!(failure.was_told_to_end());
    assert_eq!(now(service.state.stop()), Err(failure), "later as well");
}

/// A stop that finds the service draining still cancels the token that drains it.
#[tokio::test]
async fn stop_after_the_service_said_stopping_returns() {
    let service = Polite::default();
    let own = service
        .start(CancellationToken::new())
        .await
        .expect("starts");
    service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopping)
        .expect("it runs");
    assert!(own.is_cancelled());
    assert_eq!(service.state.stop().await, Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

#[tokio::test]
async fn stop_after_the_body_stored_stopping_returns() {
    #[cancel_guarded(run, state = state)]
    async fn run(
        state: StateCell,
        shutdown: CancellationToken,
        quit: oneshot::Receiver<()>,
    ) -> Result<(), StartError> {
        state.store(Lifecycle::Running);
        tokio::spawn(state.serve(async move { shutdown.cancelled().await }));
        let _ = quit.await;
        state.store(Lifecycle::Stopping);
        Ok(())
    }

    let state = StateCell::new();
    let (quit, on_quit) = oneshot::channel();
    let running = state.running();
    let run = tokio::spawn(run(state.clone(), CancellationToken::new(), on_quit));
    running.await.expect("it publishes");
    quit.send(()).expect("it waits");
    run.await.expect("no panic").expect("succeeds");
    assert_eq!(state.stop().await, Ok(()));
    assert_eq!(state.state(), Lifecycle::Stopped);
}

/// Its text never says that it is up, so it is up at its entry.
#[cancel_guarded(run, state = state)]
async fn silent(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    shutdown.cancelled().await;
    Ok(())
}

#[test]
fn stop_of_a_run_that_never_publishes_by_itself_returns() {
    let state = StateCell::new();
    let mut running = task::spawn(state.running());
    let mut run = task::spawn(silent(&state, CancellationToken::new()));
    assert_pending!(run.poll());
    assert_ready_ok!(running.poll());
    let mut stop = task::spawn(state.stop());
    assert_pending!(stop.poll());
    assert!(run.is_woken());
    assert_ready_ok!(run.poll());
    assert!(stop.is_woken());
    assert_ready_ok!(stop.poll());
    assert_eq!(state.state(), Lifecycle::Stopped);
}

/// A part cannot wait for its own end. `abort` ends it all the same.
#[test]
fn a_part_that_awaits_its_own_stop_can_be_aborted() {
    let service = Service::new();
    let state = service.state.clone();
    let served = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve(async move { state.stop().await }))
    }));
    let mut served = task::spawn(served.expect("starts"));
    assert_pending!(served.poll());
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    assert_pending!(served.poll(), "it waits for itself");
    service.state.abort();
    assert!(served.is_woken());
    assert!(assert_ready!(served.poll()).is_none());
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// A part asks, and returns.
#[test]
fn a_part_may_request_a_stop() {
    let service = Service::new();
    let state = service.state.clone();
    let served = now(service.start(CancellationToken::new(), async {
        Ok(service
            .state
            .serve(async move { assert!(state.request_stop()) }))
    }));
    let mut served = task::spawn(served.expect("starts"));
    assert_ready_eq!(served.poll(), Some(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

/// Serves an accept loop that spawns its clients, and neither looks at its token.
#[derive(Default)]
struct Stubborn {
    state: StateCell,
    clients: Count,
}

impl Stubborn {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let (state, clients) = (self.state.clone(), self.clients.clone());
        tokio::spawn(self.state.serve(async move {
            for _ in 0..3 {
                clients.add();
                tokio::spawn(state.track(pending::<()>()));
            }
            pending::<()>().await;
        }));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn stop_or_abort_ends_a_service_that_ignores_its_token() {
    let service = Stubborn::default();
    service
        .start(CancellationToken::new())
        .await
        .expect("starts");
    tokio::task::yield_now().await;
    assert_eq!(service.clients.get(), 3);
    let failure = service
        .state
        .stop_or_abort(sleep(Duration::from_secs(10)))
        .await
        .expect_err("by force");
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert!(failure.was_told_to_end());
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// A slow client holds up the service until the deadline, and no longer.
#[tokio::test(start_paused = true)]
async fn stop_or_abort_drops_a_client_that_drains_for_too_long() {
    let service = Service::new();
    let state = service.state.clone();
    service
        .start_seeing(CancellationToken::new(), |shutdown| async move {
            tokio::spawn(state.track(pending::<()>()));
            tokio::spawn(state.serve(async move { shutdown.cancelled().await }));
            Ok(())
        })
        .await
        .expect("starts");
    tokio::task::yield_now().await;
    let mut stop = task::spawn(service.state.stop_or_abort(sleep(Duration::from_secs(10))));
    assert_pending!(stop.poll());
    sleep(Duration::from_secs(9)).await;
    assert_eq!(service.state.state(), Lifecycle::Stopping, "it may drain");
    sleep(Duration::from_secs(2)).await;
    assert!(stop.is_woken());
    assert_pending!(stop.poll());
    tokio::task::yield_now().await;
    let failure = assert_ready!(stop.poll()).expect_err("the client was dropped");
    assert_eq!(failure.kind(), FailureKind::Dropped);
}

#[tokio::test(start_paused = true)]
async fn stop_or_abort_before_its_deadline_is_a_stop() {
    let service = Polite::default();
    service
        .start(CancellationToken::new())
        .await
        .expect("starts");
    let stopped = service.state.stop_or_abort(sleep(Duration::from_secs(10)));
    assert_eq!(stopped.await, Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

/// It asks, and aborts nothing, if it is dropped before its deadline.
#[test]
fn a_dropped_stop_or_abort_aborts_nothing() {
    let service = Service::new();
    let served = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve(pending::<()>()))
    }));
    let mut served = task::spawn(served.expect("starts"));
    assert_pending!(served.poll());
    let mut stop = task::spawn(service.state.stop_or_abort(pending::<()>()));
    assert_pending!(stop.poll());
    drop(stop);
    assert_pending!(served.poll(), "it drains");
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    let mut stop = task::spawn(service.state.stop_or_abort(ready(())));
    assert_pending!(stop.poll());
    assert_ready_eq!(served.poll(), None);
    assert!(assert_ready!(stop.poll()).is_err());
}

#[test]
fn stopped_is_bound_to_one_attempt() {
    let service = Service::new();
    let guard = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve_guard())
    }));
    let mut polled = task::spawn(service.state.stopped());
    assert_pending!(polled.poll());
    let unpolled = service.state.stopped();
    drop(guard);
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("again");
    assert!(polled.is_woken());
    assert_ready_ok!(polled.poll());
    assert_eq!(now(unpolled), Ok(()));
}

/// Otherwise `spawn(start()); stopped().await` returns before the service has run.
#[tokio::test]
async fn stopped_waits_for_a_start_that_is_spawned_and_not_yet_polled() {
    let service = Arc::new(Polite::default());
    let start = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.start(CancellationToken::new()).await.map(drop) }
    });
    let stopped = service.state.stopped();
    let has_run = Flag::default();
    let (ended, ()) = tokio::join!(stopped, async {
        service.state.running().await.expect("it runs");
        has_run.set();
        service.state.request_stop();
    });
    assert!(has_run.is_set());
    assert_eq!(ended, Ok(()));
    start.await.expect("no panic").expect("starts");
}

#[test]
fn stopped_says_how_it_ended() {
    type End = fn(&Service);
    let ends: [(End, Result<(), Failure>); 3] = [
        (|service| assert!(service.state.request_stop()), Ok(())),
        (
            |service| assert!(service.state.fail("disk full")),
            Err(Failure::new("disk full")),
        ),
        (
            |service| service.state.token().expect("it runs").cancel(),
            Ok(()),
        ),
    ];
    for (end, expected) in ends {
        let (service, _token) = running_service();
        let mut stopped = task::spawn(service.state.stopped());
        assert_pending!(stopped.poll());
        end(&service);
        assert!(stopped.is_woken());
        assert_eq!(assert_ready!(stopped.poll()), expected);
        assert_eq!(now(service.state.stopped()), expected, "later as well");
    }
}

fn not_running(waited: Result<(), NotRunning>) -> NotRunning {
    waited.expect_err("it is not running")
}

#[test]
fn running_resolves_at_publication_and_failure() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll(), "bound to the next attempt");
    now(service.start(CancellationToken::new(), async { Ok(()) })).expect("starts");
    assert!(running.is_woken());
    assert_eq!(assert_ready!(running.poll()), Ok(()));

    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    let failed = now(service.start::<()>(CancellationToken::new(), async {
        Err(TestError::Own("no port"))
    }));
    assert!(failed.is_err());
    assert!(running.is_woken());
    let error = not_running(assert_ready!(running.poll()));
    assert_eq!(error.failure(), Some(&Failure::new("no port")));
    assert_eq!(error.to_string(), "the service is not running: no port");
    assert!(error.source().is_none(), "the cause is said once");
}

#[test]
fn running_is_bound_to_one_attempt() {
    let service = Service::new();
    let first = service.state.running();
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("starts");
    let same = service.state.running();
    service
        .state
        .transition(Lifecycle::Running, Lifecycle::Stopping)
        .expect("it runs");
    let between = service.state.running();
    let mut second = task::spawn(service.restart::<()>(CancellationToken::new(), async {
        Err(TestError::Own("second"))
    }));
    assert!(assert_ready!(second.poll()).is_err());

    assert_eq!(now(first), Ok(()), "the first attempt did publish");
    assert_eq!(now(same), Ok(()), "it published, although it is over");
    let error = not_running(now(between));
    assert_eq!(error.failure(), None, "the first had ended without failure");
    let error = not_running(now(service.state.running()));
    assert_eq!(error.failure(), Some(&Failure::new("second")));
}

/// The restart is entered first, so that the wait is bound to it.
#[test]
fn running_of_a_restart_follows_begin_again() {
    let (service, token) = running_service();
    token.cancel();
    let restart = service
        .state
        .begin_again(&CancellationToken::new())
        .expect("a restart");
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    assert_eq!(
        now(restart.start(async |_| Ok::<_, StartError>(()))),
        Ok(())
    );
    assert!(running.is_woken());
    assert_ready_ok!(running.poll());
}

#[test]
fn running_fails_when_stopped_before_any_start() {
    let service = Service::new();
    let mut running = task::spawn(service.state.running());
    assert_pending!(running.poll());
    assert!(service.state.request_stop());
    assert!(running.is_woken());
    let error = not_running(assert_ready!(running.poll()));
    assert_eq!(error.failure(), None, "a stop is no failure");
    assert_eq!(
        error.to_string(),
        "the service is not running: it was stopped"
    );
}

#[test]
fn running_of_a_start_refused_at_entry_is_over_at_once() {
    let service = Service::new();
    let token = CancellationToken::new();
    token.cancel();
    assert_eq!(now(service.start(token, async { Ok(()) })), Err(CANCELLED));
    let error = not_running(now(service.state.running()));
    let failure = error.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

/// A loop over `wait_for` that ends with `STOPPING` alone never ends if the start fails.
#[test]
fn a_follower_sees_every_end() {
    type Follower = Pin<Box<dyn Future<Output = ()>>>;
    fn follow(cell: &StateCell) -> Follower {
        let cell = cell.clone();
        Box::pin(async move {
            let mut last = cell.state();
            while last < Lifecycle::Stopping {
                let before = last;
                last = cell.wait_for(move |state| state != before).await;
            }
        })
    }

    let ends: [fn(&Service); 4] = [
        |service| {
            let failing = async { Err::<(), _>(TestError::Own("no disk")) };
            let failed = now(service.start(CancellationToken::new(), failing));
            assert!(failed.is_err());
        },
        |service| {
            let token = CancellationToken::new();
            token.cancel();
            let refused = now(service.start(token, async { Ok(()) }));
            assert_eq!(refused, Err(CANCELLED));
        },
        |service| assert!(service.state.request_stop()),
        |service| {
            let token = CancellationToken::new();
            now(service.start(token.clone(), async { Ok(()) })).expect("starts");
            token.cancel();
        },
    ];
    for end in ends {
        let service = Service::new();
        let mut follower = task::spawn(follow(&service.state));
        assert_pending!(follower.poll());
        end(&service);
        assert!(follower.is_woken());
        assert_ready!(follower.poll());
    }
}

/// It waits for the exact state that it was asked for, and the service may never reach it.
#[test]
fn wait_for_running_does_not_hear_of_a_failure() {
    let service = Service::new();
    let mut wait = task::spawn(service.state.wait_for(|state| state == Lifecycle::Running));
    assert_pending!(wait.poll());
    service.state.fail("no config");
    assert_pending!(wait.poll());
    let up_or_over = |state| state == Lifecycle::Running || state >= Lifecycle::Stopped;
    assert_eq!(
        now(service.state.wait_for(up_or_over)),
        Lifecycle::Failed,
        "what to ask for"
    );
}

/// A service that fails in its first life, and then runs until it is told to stop.
#[derive(Default)]
struct Flaky {
    state: StateCell,
    lives: Count,
}

impl Flaky {
    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        self.lives.add();
        let is_first = self.lives.get() == 1;
        tokio::spawn(self.state.serve(async move {
            if is_first {
                return Err::<(), _>(TestError::Own("lost the source"));
            }
            shutdown.cancelled().await;
            // As an accept loop may end that is told to: with the error of its last client.
            Err(TestError::Own("reset by peer"))
        }));
        Ok(())
    }

    /// Starts the service again until it is refused. Signals `backs_off` before each pause.
    async fn supervise(&self, shutdown: CancellationToken, backs_off: impl Fn()) -> StartError {
        loop {
            if let Err(refused) = self.start(shutdown.clone()).await {
                return refused;
            }
            let _ = self.state.stopped().await;
            backs_off();
            sleep(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_back_off_of_a_supervisor_stands() {
    let service = Flaky::default();
    let (backs_off, on_back_off) = oneshot::channel();
    let backs_off = std::cell::Cell::new(Some(backs_off));
    let stop = async {
        on_back_off.await.expect("the first life ends");
        assert_eq!(service.state.state(), Lifecycle::Failed);
        let failure = service.state.stop().await.expect_err("how it had ended");
        assert_eq!(failure.to_string(), "lost the source");
    };
    let supervise = service.supervise(CancellationToken::new(), || {
        if let Some(backs_off) = backs_off.take() {
            backs_off.send(()).expect("the stop waits");
        }
    });
    let (refused, ()) = tokio::join!(supervise, stop);
    assert_eq!(refused, StartError::StopRequested);
    assert_eq!(service.lives.get(), 1, "it did not come up again");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_while_it_stops_is_not_started_again() {
    let service = Flaky::default();
    let stop = async {
        service
            .state
            .wait_for(|_| service.lives.get() == 2 && service.state.is_running())
            .await;
        let failure = service.state.stop().await.expect_err("it failed");
        assert_eq!(failure.to_string(), "reset by peer");
    };
    let (refused, ()) = tokio::join!(service.supervise(CancellationToken::new(), || ()), stop);
    assert_eq!(refused, StartError::StopRequested);
    assert_eq!(service.lives.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_service_is_not_started_again() {
    #[derive(Default)]
    struct Stuck {
        state: StateCell,
    }
    impl Stuck {
        #[cancel_guarded(state = self.state, restart)]
        async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
            tokio::spawn(self.state.serve(pending::<()>()));
            Ok(())
        }
    }

    let service = Stuck::default();
    let supervise = async {
        loop {
            if let Err(refused) = service.start(CancellationToken::new()).await {
                return refused;
            }
            let _ = service.state.stopped().await;
        }
    };
    let stop = async {
        service.state.running().await.expect("it runs");
        let deadline = sleep(Duration::from_millis(1));
        let failure = service.state.stop_or_abort(deadline).await;
        assert_eq!(
            failure.map_err(|failure| failure.kind()),
            Err(FailureKind::Dropped)
        );
    };
    let (refused, ()) = tokio::join!(supervise, stop);
    assert_eq!(refused, StartError::StopRequested);
}

/// A bounce is no stop: nothing is latched, so nothing has to be taken back.
#[tokio::test]
async fn a_bounced_service_starts_again() {
    let service = Polite::default();
    for _ in 0..3 {
        service
            .start(CancellationToken::new())
            .await
            .expect("starts");
        service.state.token().expect("it runs").cancel();
        assert_eq!(service.state.stopped().await, Ok(()));
    }
    service
        .start(CancellationToken::new())
        .await
        .expect("starts");
    service.state.token().expect("it runs").cancel();
    assert_eq!(service.state.stop().await, Ok(()), "meanwhile");
    let refused = service.start(CancellationToken::new()).await;
    assert_eq!(refused.err(), Some(StartError::StopRequested), "it stands");
}

#[cfg(feature = "tracing")]
mod logged {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use cancel_guarded_tests::install_global_subscriber;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Returns how many warnings `f` logs.
    fn warnings(f: impl FnOnce()) -> usize {
        install_global_subscriber();
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, f);
        let bytes = sink.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(bytes).expect("text");
        text.lines().filter(|line| line.contains("WARN")).count()
    }

    type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// It would wait for itself, and nothing else says so.
    #[test]
    fn a_part_that_awaits_its_own_stop_is_warned() {
        let waits: [fn(StateCell) -> Wait; 2] = [
            |state| Box::pin(async move { drop(state.stop().await) }),
            |state| Box::pin(async move { drop(state.stopped().await) }),
        ];
        for wait in waits {
            let service = Service::new();
            let waiting = wait(service.state.clone());
            let served = now(service.start(CancellationToken::new(), async {
                Ok(service.state.serve(waiting))
            }));
            let mut served = task::spawn(served.expect("starts"));
            assert_eq!(warnings(|| assert_pending!(served.poll())), 1);
        }
    }

    #[test]
    fn a_stop_of_another_service_is_not_warned() {
        let (service, other) = (Service::new(), Service::new());
        let state = other.state.clone();
        let served = now(service.start(CancellationToken::new(), async {
            Ok(service.state.serve(async move { state.stop().await }))
        }));
        let mut served = task::spawn(served.expect("starts"));
        assert_eq!(warnings(|| drop(assert_ready!(served.poll()))), 0);
    }
}
