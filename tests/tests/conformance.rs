//! The races R1 to R16, which were found in a service base written in Go, and the histories that
//! Guava's `AbstractServiceTest` asserts.

use std::collections::BTreeSet;
use std::future::pending;
use std::thread;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, ServeGuard, StartError, StateCell,
};
use cancel_guarded_tests::{
    CANCELLED, Gate, Log, Service, TestError, failed, not_startable, now, running_service,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, task};

use Lifecycle::{Failed, Running, Starting, Stopped, Stopping};

fn kind(cell: &StateCell) -> Option<FailureKind> {
    cell.failure().map(|failure| failure.kind())
}

/// Starts `service`, which then serves until the returned guard is dropped.
fn serve(service: &Service) -> ServeGuard {
    let guard = now(service.start(CancellationToken::new(), async {
        Ok(service.state.serve_guard())
    }));
    guard.expect("starts")
}

/// R1: cancel after the pre-check, start returns success, Running under a cancelled context.
#[test]
fn r1_cancelled_after_the_entry_check() {
    let service = Service::new();
    let token = CancellationToken::new();
    let result = now(service.start(token.clone(), async {
        token.cancel();
        Ok(())
    }));
    assert_eq!(result, Err(CANCELLED));
    assert_eq!(service.state.state(), Failed);
}

/// R2: a second start with a cancelled context kills a running instance.
#[test]
fn r2_a_cancelled_second_start() {
    let (service, _token) = running_service();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let second = now(service.restart(cancelled, async { Ok(()) }));
    assert_eq!(second, Err(not_startable("Running")));
    assert_eq!(service.state.state(), Running);
}

/// R3: a start with a cancelled context after stop returns success with the port open.
#[tokio::test]
async fn r3_a_cancelled_start_after_stop_opens_no_port() {
    let (service, token) = running_service();
    token.cancel();
    assert_eq!(service.state.state(), Stopped);
    let port = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let addr = port.local_addr().expect("has an address");
    drop(port);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let again = service
        .restart(cancelled, async {
            TcpListener::bind(addr)
                .await
                .map_err(|_| TestError::Own("bind"))
        })
        .await;
    assert_eq!(again.err(), Some(CANCELLED));
    TcpStream::connect(addr)
        .await
        .expect_err("the port is closed");
    assert_eq!(service.state.state(), Failed);
}

/// R4: a start and a stop at the same time: both succeed, the state is Stopped, the service still
/// accepts; or stop hangs. The test lists every final state that is allowed.
#[test]
fn r4_start_against_stop() {
    let mut seen = BTreeSet::new();
    for round in 0..3_000_u32 {
        let service = Service::new();
        let gate = Gate::for_threads(2);
        let (result, stopped) = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                gate.pass();
                for _ in 0..round % 97 {
                    std::hint::spin_loop();
                }
                now(service.start(CancellationToken::new(), async {
                    Ok(service.state.serve_guard())
                }))
            });
            gate.pass();
            for _ in 0..round % 89 {
                std::hint::spin_loop();
            }
            let stopped = service.state.request_stop();
            (starting.join().expect("no panic"), stopped)
        });
        assert!(
            stopped,
            "round {round}: the only stop is the one that did it"
        );
        let end = (result.is_ok(), service.state.state());
        let allowed = match &result {
            Ok(_guard) => end.1 == Stopping,
            Err(CANCELLED) => end.1 == Failed,
            Err(error) => *error == not_startable("Stopped") && end.1 == Stopped,
        };
        assert!(allowed, "round {round}: {result:?} and {:?}", end.1);
        drop(result);
        assert_eq!(now(service.state.stop()), Ok(()), "round {round}");
        seen.insert(end);
    }
    println!("seen: {seen:?}");
}

/// R5: a start that fails after it spawned leaves the listener open, and stop hangs.
#[tokio::test]
async fn r5_a_start_that_fails_after_it_spawned() {
    let service = Service::new();
    let bound = Log::default();
    let result = service
        .start::<()>(CancellationToken::new(), async {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .map_err(|_| TestError::Own("bind"))?;
            bound.push(listener.local_addr().map_err(|_| TestError::Own("addr"))?);
            tokio::spawn(service.state.serve(async move {
                let _ = listener.accept().await;
            }));
            Err(TestError::Own("migration"))
        })
        .await;
    assert_eq!(result, Err(TestError::Own("migration")));
    assert_eq!(service.state.state(), Failed);
    TcpListener::bind(bound.all()[0])
        .await
        .expect("the port is free once FAILED is readable");
    let ended = service.state.stop().await;
    assert_eq!(ended, Err(Failure::new("migration")), "and stop returns");
}

/// R6: Stopped overwritten by Failed.
#[test]
fn r6_terminal_states_are_irreversible() {
    let (service, token) = running_service();
    let cell = &service.state;
    assert!(cell.request_stop());
    assert!(!cell.fail("late"));
    assert!(!cell.request_stop());
    token.cancel();
    cell.abort();
    assert_eq!(cell.state(), Stopped);
    assert_eq!(cell.failure(), None);

    let failed = Service::new();
    assert!(failed.state.fail("first"));
    assert!(!failed.state.fail("second"));
    failed.state.request_stop();
    assert_eq!(failed.state.state(), Failed);
    let failure = failed.state.failure().expect("a cause");
    assert_eq!(failure.to_string(), "first");
}

/// R7: a stop between "Starting" and the creation of the service's context leaves that context
/// live. Here the token exists before `STARTING` is readable.
#[test]
fn r7_the_token_exists_before_starting() {
    let service = Service::new();
    let child = Log::default();
    let refused = now(
        service.start_seeing::<(), _>(CancellationToken::new(), |shutdown| {
            assert_eq!(service.state.state(), Starting);
            assert!(service.state.request_stop(), "at the earliest point");
            child.push(shutdown);
            pending()
        }),
    );
    assert_eq!(refused, Err(CANCELLED));
    assert!(child.all()[0].is_cancelled());
}

/// R8: Failed, but the ready signal is set.
#[test]
fn r8_a_failed_start_never_reads_ready() {
    let service = Service::new();
    let running = service.state.running();
    let token = CancellationToken::new();
    let refused = now(service.start(token.clone(), async {
        token.cancel();
        Ok(())
    }));
    assert_eq!(refused, Err(CANCELLED));
    let error = now(running).expect_err("not ready");
    let failure = error.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}

/// R9: waiting for ready ignores Failed and Stopped.
#[test]
fn r9_waiting_for_running_ends_with_the_attempt() {
    let failed = Service::new();
    let mut waits = task::spawn(failed.state.running());
    assert_pending!(waits.poll());
    failed.state.fail("no config");
    assert!(waits.is_woken());
    assert!(assert_ready!(waits.poll()).is_err());

    let stopped = Service::new();
    let mut waits = task::spawn(stopped.state.running());
    assert_pending!(waits.poll());
    stopped.state.request_stop();
    assert!(waits.is_woken());
    assert!(assert_ready!(waits.poll()).is_err());

    assert!(now(failed.state.running()).is_err(), "later as well");
    assert!(now(stopped.state.running()).is_err(), "later as well");
}

/// R10: cancel while running leaves Running.
#[test]
fn r10_cancel_while_running() {
    let parent = CancellationToken::new();
    let service = Service::new();
    let guard = now(service.start(parent.child_token(), async {
        Ok(service.state.serve_guard())
    }));
    parent.cancel();
    assert_eq!(service.state.state(), Stopping);
    drop(guard);
    assert_eq!(service.state.state(), Stopped);
}

/// R11: a second stop returns before the first has finished.
#[test]
fn r11_every_stop_waits() {
    let service = Service::new();
    let guard = serve(&service);
    let mut stops: Vec<_> = (0..10).map(|_| task::spawn(service.state.stop())).collect();
    for stop in &mut stops {
        assert_pending!(stop.poll());
    }
    drop(guard);
    for stop in &mut stops {
        assert!(stop.is_woken());
        assert_eq!(assert_ready!(stop.poll()), Ok(()));
    }
}

/// R12: stopped directly, the context stays live.
#[test]
fn r12_a_stop_cancels_the_token() {
    for stop in [
        (|cell| assert!(cell.request_stop())) as fn(&StateCell),
        |cell| cell.transition(Running, Stopping).expect("it runs"),
        |cell| cell.abort(),
        |cell| assert!(cell.fail("disk full")),
    ] {
        let service = Service::new();
        let child =
            now(service.start_seeing(CancellationToken::new(), |shutdown| async { Ok(shutdown) }))
                .expect("starts");
        stop(&service.state);
        assert!(child.is_cancelled());
    }
}

/// Ends a service. The token is cancelled already.
type End = fn(&Service, &CancellationToken);

/// R13: Failed with no cause.
#[test]
fn r13_failed_always_has_a_cause() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let ways: [(&str, FailureKind, End); 5] = [
        ("at entry", FailureKind::Cancelled, |service, cancelled| {
            let refused = now(service.start(cancelled.clone(), async { Ok(()) }));
            assert!(refused.is_err());
        }),
        ("by an error", FailureKind::Error, |service, _| {
            let failed = now(service.start::<()>(CancellationToken::new(), async {
                Err(TestError::Own("no"))
            }));
            assert!(failed.is_err());
        }),
        ("dropped", FailureKind::Dropped, |service, _| {
            let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
            assert_pending!(start.poll());
        }),
        ("never begun", FailureKind::Error, |service, _| {
            assert!(service.state.fail("no config"));
        }),
        ("running", FailureKind::Error, |service, _| {
            now(service.start(CancellationToken::new(), async { Ok(()) })).expect("starts");
            assert!(service.state.fail("disk full"));
        }),
    ];
    for (way, expected, end) in ways {
        let service = Service::new();
        end(&service, &cancelled);
        assert_eq!(service.state.state(), Failed, "{way}");
        assert_eq!(kind(&service.state), Some(expected), "{way}");
    }
}

/// R14: a stop that moved the state reports that it did not. Exactly one of
/// ten concurrent stops reports it.
#[test]
fn r14_one_of_ten_stops_returns_true() {
    for round in 0..200 {
        let (service, _token) = running_service();
        let gate = Gate::for_threads(10);
        let moved: usize = thread::scope(|scope| {
            let stops: Vec<_> = (0..10)
                .map(|_| {
                    scope.spawn(|| {
                        gate.pass();
                        service.state.request_stop()
                    })
                })
                .collect();
            stops
                .into_iter()
                .map(|stop| usize::from(stop.join().expect("no panic")))
                .sum()
        });
        assert_eq!(moved, 1, "round {round}");
        assert_eq!(service.state.state(), Stopped, "round {round}");
    }
}

/// R15: Running is published although a served future is already lost.
#[test]
fn r15_a_lost_served_future_fails_the_start() {
    let service = Service::new();
    let result = now(service.start(CancellationToken::new(), async {
        drop(service.state.serve(async {}));
        Ok(())
    }));
    assert_eq!(service.state.state(), Failed);
    assert_eq!(kind(&service.state), Some(FailureKind::Dropped));
    let cause = service.state.failure().expect("a cause");
    assert_eq!(result, Err(TestError::Refused(StartError::Failed(cause))));
}

/// R16: a cancel reported as a timeout.
#[test]
fn r16_a_cancel_is_not_reported_as_a_timeout() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(start.poll());
    token.cancel();
    assert!(!service.state.fail("timed out"), "the first cause stays");
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(kind(&service.state), Some(FailureKind::Cancelled));
}

/// Records the states of a cell, polled after every step.
struct Observer(StateCell, Vec<Lifecycle>);

impl Observer {
    fn of(service: &Service) -> Self {
        Self(service.state.clone(), vec![service.state.state()])
    }

    fn look(&mut self) {
        if self.1.last() != Some(&self.0.state()) {
            self.1.push(self.0.state());
        }
    }
}

#[test]
fn a_whole_life() {
    let service = Service::new();
    let mut seen = Observer::of(&service);
    let (go, wait) = oneshot::channel::<()>();
    let mut start = task::spawn(service.start(CancellationToken::new(), async {
        wait.await.map_err(|_| TestError::Own("closed"))?;
        Ok(service.state.serve_guard())
    }));
    assert_pending!(start.poll());
    seen.look();
    go.send(()).expect("it listens");
    let guard = assert_ready!(start.poll()).expect("starts");
    seen.look();
    service.state.request_stop();
    seen.look();
    drop(guard);
    seen.look();
    let life = [Lifecycle::Created, Starting, Running, Stopping, Stopped];
    assert_eq!(seen.1, life);
}

#[test]
fn five_stops_during_a_start_are_one_transition() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    let moved = (0..5).filter(|_| service.state.request_stop()).count();
    assert_eq!(moved, 1);
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Failed);
}

#[test]
fn a_start_after_stop_is_refused() {
    let service = Service::new();
    assert_eq!(now(service.state.stop()), Ok(()));
    let late = now(service.start(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(late, Err(not_startable("Stopped")));
    let restarted = now(service.restart(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(
        restarted,
        Err(TestError::Refused(StartError::StopRequested)),
        "even if it may restart"
    );
    assert!(service.state.rearm());
    let restarted = now(service.restart(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(restarted, Ok(()), "until the stop is taken back");
}

#[test]
fn a_second_start_is_refused() {
    let (service, _token) = running_service();
    let again = now(service.start(CancellationToken::new(), async { Ok(()) }));
    assert_eq!(again, Err(not_startable("Running")));
    assert_eq!(service.state.state(), Running);
}

#[test]
fn the_first_cause_reaches_every_waiter() {
    let service = Service::new();
    let mut waits: Vec<_> = (0..3)
        .map(|_| task::spawn(service.state.running()))
        .collect();
    let mut ends: Vec<_> = (0..3)
        .map(|_| task::spawn(service.state.wait_for(|state| state == Failed)))
        .collect();
    for wait in &mut waits {
        assert_pending!(wait.poll());
    }
    for end in &mut ends {
        assert_pending!(end.poll());
    }
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(start.poll());
    assert!(service.state.fail("first"));
    assert!(!service.state.fail("second"));
    assert_eq!(assert_ready!(start.poll()), Err(failed("first")));
    for wait in &mut waits {
        let error = assert_ready!(wait.poll()).expect_err("it never ran");
        assert_eq!(error.failure(), Some(&Failure::new("first")));
    }
    for end in &mut ends {
        assert_eq!(assert_ready!(end.poll()), Failed);
    }
}

#[tokio::test]
async fn a_used_port_is_the_cause() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let addr = taken.local_addr().expect("has an address");
    let service = Service::new();
    let failed = service
        .start(CancellationToken::new(), async {
            TcpListener::bind(addr)
                .await
                .map_err(|_| TestError::Own("address in use"))
        })
        .await;
    assert_eq!(failed.err(), Some(TestError::Own("address in use")));
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.to_string(), "address in use", "the cause is kept");
}

#[tokio::test]
async fn a_served_error_fails_the_service() {
    let service = Service::new();
    let (fail, failing) = oneshot::channel::<()>();
    service
        .start(CancellationToken::new(), async {
            tokio::spawn(service.state.serve(async move {
                let _ = failing.await;
                Err::<(), _>(TestError::Own("accept"))
            }));
            Ok(())
        })
        .await
        .expect("starts");
    assert_eq!(service.state.state(), Running);
    let stopped = service.state.stopped();
    fail.send(()).expect("it listens");
    assert_eq!(stopped.await, Err(Failure::new("accept")));
    assert_eq!(service.state.state(), Failed);
}
