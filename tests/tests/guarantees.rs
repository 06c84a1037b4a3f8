//! The guarantees G1 to G7, each under its number.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Flag, Gate, Log, Remnant, Service, TestError, not_startable, now, on_wake,
    pending_with, running_service,
};
use tokio_test::{assert_pending, assert_ready, task};

/// The error of a start that was refused by the failure that `cell` has.
fn failure_of(cell: &StateCell) -> TestError {
    let failure = cell.failure().expect("a cause");
    TestError::Refused(StartError::Failed(failure))
}

#[test]
fn g1_no_observer_sees_starting() {
    let service = Service::new();
    let token = CancellationToken::new();
    token.cancel();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        move || seen.push(cell.state())
    });
    let _change = pending_with(
        &waker,
        service.state.wait_for(|state| state != Lifecycle::Created),
    );
    assert_eq!(now(service.start::<()>(token, pending())), Err(CANCELLED));
    assert_eq!(
        seen.all(),
        [Lifecycle::Failed],
        "one step, without STARTING"
    );
}

#[test]
fn g1_holds_for_a_descendant_token() {
    let token = CancellationToken::new();
    let child = token.child_token();
    token.cancel();
    for token in [child.clone(), child.child_token(), token.child_token()] {
        let service = Service::new();
        let polled = Flag::default();
        let refused = now(service.start_seeing(token, |_| {
            polled.set();
            async { Ok(()) }
        }));
        assert_eq!(refused, Err(CANCELLED));
        assert!(!polled.is_set(), "the body is not made");
        assert_eq!(service.state.state(), Lifecycle::Failed);
    }
}

#[test]
fn g1_holds_for_a_restart() {
    let service = Service::new();
    let token = CancellationToken::new();
    token.cancel();
    for _ in 0..2 {
        assert_eq!(
            now(service.restart(token.clone(), async { Ok(()) })),
            Err(CANCELLED)
        );
        assert_eq!(service.state.state(), Lifecycle::Failed);
    }
    assert_eq!(
        now(service.restart(CancellationToken::new(), async { Ok(()) })),
        Ok(())
    );
    assert_eq!(service.state.state(), Lifecycle::Running);
    assert_eq!(
        service.state.failure(),
        None,
        "the last attempt has not failed"
    );
}

/// G2, G3 and G6 for every timing: once `cancel()` has returned, the cell does not read `RUNNING`;
/// the start returns success if and only if it published.
#[test]
fn g2_g3_g6_cancel_against_start() {
    for round in 0..5_000_u32 {
        let service = Service::new();
        let token = CancellationToken::new();
        let cancelled = match round % 3 {
            0 => token.clone(),
            1 => token.child_token(),
            _ => token.child_token().child_token(),
        };
        let gate = Gate::for_threads(2);
        let running = service.state.running();
        let (result, after_cancel) = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                gate.pass();
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                if round % 2 == 0 {
                    now(service.start(cancelled, async { Ok(()) }))
                } else {
                    now(service.start_seeing(cancelled, |_| async { Ok(()) }))
                }
            });
            gate.pass();
            for _ in 0..(round / 64) % 64 {
                std::hint::spin_loop();
            }
            token.cancel();
            let after_cancel = service.state.state();
            (starting.join().expect("no panic"), after_cancel)
        });
        assert_ne!(after_cancel, Lifecycle::Running, "round {round}: G2, G6");
        match result {
            Ok(()) => {
                assert_eq!(service.state.state(), Lifecycle::Stopped, "round {round}");
                assert_eq!(now(running), Ok(()), "round {round}: it published");
            }
            Err(error) => {
                assert_eq!(error, CANCELLED, "round {round}");
                assert_eq!(service.state.state(), Lifecycle::Failed, "round {round}");
                let error = now(running).expect_err("it never published");
                let kind = error.failure().map(cancel_guarded::Failure::kind);
                assert_eq!(kind, Some(FailureKind::Cancelled), "round {round}");
            }
        }
    }
}

#[test]
fn g2_request_stop_against_start() {
    for round in 0..5_000_u32 {
        let service = Service::new();
        let gate = Gate::for_threads(2);
        let (result, stopped, after_stop) = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                gate.pass();
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                now(service.start(CancellationToken::new(), async { Ok(()) }))
            });
            gate.pass();
            for _ in 0..(round / 64) % 64 {
                std::hint::spin_loop();
            }
            let stopped = service.state.request_stop();
            let after_stop = service.state.state();
            (starting.join().expect("no panic"), stopped, after_stop)
        });
        assert!(
            stopped,
            "round {round}: it is the only stop, and always finds something"
        );
        assert_ne!(after_stop, Lifecycle::Running, "round {round}");
        match result {
            Ok(()) => {
                assert_eq!(service.state.state(), Lifecycle::Stopped, "round {round}");
            }
            Err(TestError::Refused(StartError::Cancelled)) => {
                assert_eq!(service.state.state(), Lifecycle::Failed, "round {round}");
            }
            Err(error) => {
                assert_eq!(error, not_startable("Stopped"), "round {round}");
                assert_eq!(service.state.state(), Lifecycle::Stopped, "round {round}");
            }
        }
    }
}

#[test]
fn g4_no_part_is_left_at_failed() {
    let service = Service::new();
    let token = CancellationToken::new();
    let seen = Log::default();
    let child = Log::default();
    let mut start = task::spawn(service.start_seeing::<(), _>(token.clone(), |shutdown| {
        child.push(shutdown);
        let (body, served) = (
            Remnant::of(&service.state, &seen),
            Remnant::of(&service.state, &seen),
        );
        let cell = service.state.clone();
        async move {
            let _body = body;
            let _served = cell.serve(async move {
                let _served = served;
                pending::<()>().await;
            });
            pending().await
        }
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(
        seen.all(),
        [Lifecycle::Starting; 2],
        "both dropped before FAILED"
    );
    assert!(child.all()[0].is_cancelled(), "the body's token");
}

#[test]
fn g4_an_unpolled_served_future_is_dropped() {
    let service = Service::new();
    let token = CancellationToken::new();
    let seen = Log::default();
    let spawned = std::cell::RefCell::new(None);
    let mut start = task::spawn(service.start::<()>(token.clone(), async {
        let served = Remnant::of(&service.state, &seen);
        let mut task = task::spawn(service.state.serve(async move {
            let _served = served;
            pending::<()>().await;
        }));
        assert_pending!(task.poll(), "not published yet");
        *spawned.borrow_mut() = Some(task);
        pending().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
    let task = spawned.borrow_mut().take().expect("spawned");
    assert_eq!(now(task), None, "the task ends at its next poll");
}

#[test]
fn g4_a_refused_value_is_dropped_first() {
    let service = Service::new();
    let token = CancellationToken::new();
    let seen = Log::default();
    let refused = now(service.start(token.clone(), async {
        token.cancel();
        Ok(Remnant::of(&service.state, &seen))
    }));
    assert_eq!(refused.err(), Some(CANCELLED));
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
}

/// Cancels its caller's token after its last await, so that only the commit can notice.
#[cancel_guarded(state = cell, caller = root)]
async fn cancels_last(
    cell: &StateCell,
    shutdown: CancellationToken,
    value: Remnant,
) -> Result<Remnant, TestError> {
    root.cancel();
    Ok(value)
}

#[test]
fn g4_a_value_refused_at_commit_is_dropped_first() {
    let (cell, seen) = (StateCell::new(), Log::default());
    let value = Remnant::of(&cell, &seen);
    let refused = now(cancels_last(&cell, CancellationToken::new(), value));
    assert_eq!(refused.err(), Some(CANCELLED));
    assert_eq!(cell.state(), Lifecycle::Failed);
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
}

/// Another thread is dropping a served future: the refusal waits for it.
#[test]
fn g4_a_refusal_waits_for_a_drop_elsewhere() {
    struct OnDrop<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
    type Start = task::Spawn<Pin<Box<dyn Future<Output = Result<(), TestError>> + Send>>>;

    let service = Service::new();
    let start: Arc<Mutex<Option<Start>>> = Arc::default();
    let served: Arc<Mutex<Option<_>>> = Arc::default();
    let dropped = Flag::default();
    *start.lock().expect("not poisoned") = Some(task::spawn(Box::pin({
        let (service, start, served) = (service.clone(), Arc::clone(&start), Arc::clone(&served));
        let dropped = dropped.clone();
        async move {
            let cell = service.state.clone();
            let body = async {
                let polls_the_start = OnDrop(Some(move || {
                    let mut start = start.lock().expect("not poisoned");
                    let start = start.as_mut().expect("under way");
                    assert!(start.is_woken(), "the served future is lost");
                    assert_pending!(start.poll(), "refused, and one part is left");
                    assert_eq!(cell.state(), Lifecycle::Starting);
                    dropped.set();
                }));
                let future = async move { drop(polls_the_start) };
                *served.lock().expect("not poisoned") = Some(service.state.serve(future));
                pending().await
            };
            service.start::<()>(CancellationToken::new(), body).await
        }
    })));
    let poll_start = || {
        let mut start = start.lock().expect("not poisoned");
        start.as_mut().expect("under way").poll()
    };
    assert_pending!(poll_start());
    let lost = served.lock().expect("not poisoned").take();
    drop(lost);
    assert!(dropped.is_set());
    assert_eq!(service.state.state(), Lifecycle::Failed);
    assert_eq!(assert_ready!(poll_start()), Err(failure_of(&service.state)));
}

/// The end of a service is readable when the last part is gone, however it was brought about.
#[test]
fn g4_an_end_waits_for_every_kind_of_part() {
    type End = fn(&StateCell);
    let ends: [(End, Lifecycle); 3] = [
        (|cell| assert!(cell.request_stop()), Lifecycle::Stopped),
        (|cell| assert!(cell.fail("disk full")), Lifecycle::Failed),
        (
            |cell| cell.token().expect("it runs").cancel(),
            Lifecycle::Stopped,
        ),
    ];
    for (end, expected) in ends {
        let service = Service::new();
        let state = service.state.clone();
        let (served, local, client, guard) = now(service.start(CancellationToken::new(), async {
            Ok((
                state.serve(async {}),
                state.serve_local(async {}),
                state.track(async {}),
                state.serve_guard(),
            ))
        }))
        .expect("starts");
        end(&state);
        assert_eq!(now(served), Some(()));
        assert_eq!(state.state(), Lifecycle::Stopping);
        assert_eq!(now(local), Some(()));
        assert_eq!(state.state(), Lifecycle::Stopping);
        drop(guard);
        assert_eq!(state.state(), Lifecycle::Stopping);
        assert_eq!(now(client), Some(()));
        assert_eq!(state.state(), expected);
    }
}

/// An end that the token did not bring about cancels the own token first. A client that joins while
/// that token wakes its waiters still counts.
#[test]
fn g4_a_part_that_joins_while_the_own_token_is_cancelled_counts() {
    let (service, _token) = running_service();
    let own = service.state.token().expect("it runs");
    let joined = Arc::new(Mutex::new(None));
    let joins = on_wake({
        let (cell, joined) = (service.state.clone(), Arc::clone(&joined));
        move || {
            *joined.lock().expect("not poisoned") = Some(cell.track(async {}));
        }
    });
    let _wait = pending_with(&joins, own.cancelled());
    assert!(service.state.fail("disk full"));
    assert_eq!(service.state.state(), Lifecycle::Stopping);
    let client = joined.lock().expect("not poisoned").take();
    assert_eq!(now(client.expect("it has joined")), Some(()));
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// A service that reaches its end has a cancelled token, whatever ended it.
#[test]
fn g4_the_own_token_is_cancelled_before_the_end_is_readable() {
    let ends: [fn(&StateCell); 4] = [
        |cell| assert!(cell.request_stop()),
        |cell| assert!(cell.fail("disk full")),
        |cell| cell.abort(),
        |cell| {
            cell.transition(Lifecycle::Running, Lifecycle::Stopping)
                .expect("it runs");
        },
    ];
    for end in ends {
        let (service, _token) = running_service();
        let own = service.state.token().expect("it runs");
        let seen = Log::default();
        let waker = on_wake({
            let (seen, own) = (seen.clone(), own.clone());
            move || seen.push(own.is_cancelled())
        });
        let ended = |state| state >= Lifecycle::Stopped;
        let _ended = pending_with(&waker, service.state.wait_for(ended));
        end(&service.state);
        assert!(service.state.state() >= Lifecycle::Stopped);
        assert_eq!(seen.all().last(), Some(&true));
        assert!(!seen.all().contains(&false));
    }
}

#[test]
fn g5_losers_change_nothing() {
    let service = Service::new();
    let mut winner = task::spawn(service.start::<()>(CancellationToken::new(), pending()));
    assert_pending!(winner.poll());
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for token in [CancellationToken::new(), cancelled] {
        assert_eq!(
            now(service.start(token, async { Ok(()) })),
            Err(not_startable("Starting"))
        );
        assert_eq!(service.state.state(), Lifecycle::Starting);
        assert_eq!(service.state.failure(), None);
        assert!(!winner.is_woken());
    }
}

#[test]
fn g5_a_cancelled_restart_changes_nothing() {
    let (service, _token) = running_service();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert_eq!(
        now(service.restart(cancelled, async { Ok(()) })),
        Err(not_startable("Running"))
    );
    assert_eq!(service.state.state(), Lifecycle::Running);
}

#[test]
fn g5_a_losers_token_does_not_move_the_cell() {
    let (service, token) = running_service();
    let losing = CancellationToken::new();
    let lost = now(service.restart(losing.clone(), async { Ok(()) }));
    assert_eq!(lost, Err(not_startable("Running")));
    losing.cancel();
    assert_eq!(service.state.state(), Lifecycle::Running);
    token.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}

#[test]
fn g5_one_of_many_starts_wins() {
    for round in 0..500 {
        let service = Service::new();
        let gate = Gate::for_threads(4);
        let results: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        gate.pass();
                        now(service.start(CancellationToken::new(), async { Ok(()) }))
                    })
                })
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().expect("no panic"))
                .collect()
        });
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "round {round}: {results:?}");
        assert_eq!(service.state.state(), Lifecycle::Running);
    }
}

#[test]
fn g6_a_stopping_service_stays_stopping() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let _guard = now(service.start(token.clone(), async { Ok(service.state.serve_guard()) }));
    token.cancel();
    let back = service
        .state
        .transition(Lifecycle::Stopping, Lifecycle::Running)
        .expect_err("never again in this attempt");
    assert_eq!(back.actual(), Lifecycle::Stopping);
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

#[test]
fn g6_holds_after_the_start_future_is_gone() {
    let (service, token) = running_service();
    // The start future, its body and its caller are gone. Only the cell is left.
    let cell = service.state.clone();
    drop(service);
    assert_eq!(cell.state(), Lifecycle::Running);
    token.cancel();
    assert_eq!(cell.state(), Lifecycle::Stopped);
}

#[test]
fn g6_the_bodys_token_moves_the_cell() {
    let service = Service::new();
    let token = CancellationToken::new();
    let child = now(service.start_seeing(token.clone(), |shutdown| async { Ok(shutdown) }))
        .expect("starts");
    child.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    assert!(!token.is_cancelled(), "the caller's own is not touched");
}

#[test]
fn g6_an_earlier_token_moves_nothing() {
    let service = Service::new();
    let first = CancellationToken::new();
    let failed = now(service.restart::<()>(first.clone(), async { Err(TestError::Own("no")) }));
    assert!(failed.is_err());
    now(service.restart(CancellationToken::new(), async { Ok(()) })).expect("starts");
    first.cancel();
    assert_eq!(service.state.state(), Lifecycle::Running);
}

/// The state is checked first, then the latch, then the token.
#[test]
fn g7_the_latch_is_checked_between_state_and_token() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let service = Service::new();
    assert!(service.state.request_stop());
    let start = now(service.start(cancelled.clone(), async { Ok(()) }));
    assert_eq!(start, Err(not_startable("Stopped")));
    let restart = now(service.restart(cancelled.clone(), async { Ok(()) }));
    assert_eq!(restart, Err(TestError::Refused(StartError::StopRequested)));
    assert_eq!(service.state.state(), Lifecycle::Stopped, "untouched");
    assert!(service.state.rearm());
    let restart = now(service.restart(cancelled, async { Ok(()) }));
    assert_eq!(restart, Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// A restart that was called but not polled when the stop came is refused.
#[test]
fn g7_a_stop_before_the_first_poll_of_a_restart_refuses_it() {
    let (service, token) = running_service();
    token.cancel();
    let restart = service.restart(CancellationToken::new(), async { Ok(()) });
    assert!(service.state.request_stop());
    assert_eq!(
        now(restart),
        Err(TestError::Refused(StartError::StopRequested))
    );
}

/// G7 for every timing: a stop that has returned is followed by no attempt, and an attempt that was
/// first is ended by it.
#[test]
fn g7_stop_against_restart() {
    for round in 0..3_000_u32 {
        let (service, token) = running_service();
        token.cancel();
        let gate = Gate::for_threads(2);
        let result = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                gate.pass();
                for _ in 0..round % 64 {
                    std::hint::spin_loop();
                }
                now(service.restart(CancellationToken::new(), async { Ok(()) }))
            });
            gate.pass();
            for _ in 0..(round / 64) % 64 {
                std::hint::spin_loop();
            }
            assert!(service.state.request_stop(), "round {round}: the first");
            assert_ne!(service.state.state(), Lifecycle::Running, "round {round}");
            starting.join().expect("no panic")
        });
        let expected = match result {
            Ok(()) => Lifecycle::Stopped,
            Err(CANCELLED) => Lifecycle::Failed,
            Err(error) => {
                assert_eq!(error, TestError::Refused(StartError::StopRequested));
                Lifecycle::Stopped
            }
        };
        assert_eq!(service.state.state(), expected, "round {round}");
        assert_eq!(
            now(service.restart(CancellationToken::new(), async { Ok(()) })),
            Err(TestError::Refused(StartError::StopRequested)),
            "round {round}: it stays down"
        );
    }
}
