//! The feature `tracing`: one event for each transition, in the span of the call that made it.
#![cfg(feature = "tracing")]

use std::future::{pending, ready};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use cancel_guarded::{CancellationToken, Lifecycle, StartError, State, StateCell, cancel_guarded};
use cancel_guarded_tests::{
    Service, TestError, install_global_subscriber, now, on_wake, panic_message, pending_with,
};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};
use tracing::{Level, info_span};

/// Collects the output of the subscriber.
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

/// Returns the lines that `f` logs.
fn logged(f: impl FnOnce()) -> Vec<String> {
    install_global_subscriber();
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer({
            let sink = sink.clone();
            move || sink.clone()
        })
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, f);
    let bytes = sink.0.lock().expect("not poisoned").clone();
    let text = String::from_utf8(bytes).expect("text");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn named() -> Service {
    install_global_subscriber();
    Service {
        state: StateCell::named("mailer"),
    }
}

/// A published service named `mailer`, and what `serve` made of its cell in the body.
fn running<T>(serve: impl FnOnce(&StateCell) -> T) -> (StateCell, CancellationToken, T) {
    let (cell, token) = (named().state, CancellationToken::new());
    let attempt = cell.begin(&token).expect("nothing is in its way");
    let made = attempt.start_sync(|_| Ok::<_, StartError>(serve(&cell)));
    (cell, token, made.expect("starts"))
}

/// The lines of one level.
fn of_level<'a>(lines: &'a [String], level: &str) -> Vec<&'a str> {
    let has_level = |line: &&String| line.starts_with(level);
    lines.iter().filter(has_level).map(String::as_str).collect()
}

#[test]
fn a_whole_life() {
    let lines = logged(|| {
        let service = named();
        let token = CancellationToken::new();
        info_span!("boot")
            .in_scope(|| now(service.start(token.clone(), async { Ok(()) })))
            .expect("starts");
        info_span!("signal").in_scope(|| token.cancel());
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG boot: mailer: Created to Starting service="mailer" from="Created" to="Starting" parts=0"#,
            r#"INFO boot: mailer: Starting to Running service="mailer" from="Starting" to="Running" parts=0"#,
            r#"INFO signal: mailer: Running to Stopping service="mailer" from="Running" to="Stopping" parts=0"#,
            r#"INFO signal: mailer: Stopping to Stopped service="mailer" from="Stopping" to="Stopped" parts=0"#,
        ]
    );
}

#[test]
fn refusal_and_failure_stand_out() {
    let refused = logged(|| {
        let token = CancellationToken::new();
        token.cancel();
        now(named().start(token, async { Ok(()) })).expect_err("refused");
    });
    assert_eq!(
        refused,
        [
            r#"WARN mailer: Created to Failed service="mailer" from="Created" to="Failed" cause=cancelled before it was running parts=0"#
        ]
    );

    let failed = logged(|| {
        let failing = async { Err::<(), _>(TestError::Own("no port")) };
        now(named().start(CancellationToken::new(), failing)).expect_err("fails");
    });
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(
        failed[1],
        r#"ERROR mailer: Starting to Failed service="mailer" from="Starting" to="Failed" cause=no port parts=0"#
    );
}

#[test]
fn an_interrupt_alone_is_no_event() {
    let lines = logged(|| {
        let service = named();
        let token = CancellationToken::new();
        let mut start = task::spawn(service.start::<()>(token.clone(), pending()));
        assert_pending!(start.poll());
        token.cancel();
        assert!(start.poll().is_ready());
    });
    assert_eq!(lines.len(), 2, "to Starting, and to Failed: {lines:?}");
}

/// Every event tells how many parts are left, the body aside: a log shows what a stop waits for.
#[test]
fn events_tell_how_many_parts_are_left() {
    let lines = logged(|| {
        let (cell, token, parts) = running(|cell| {
            let guard = cell.serve_guard();
            (cell.serve(ready(())), cell.track(ready(())), guard)
        });
        token.cancel();
        let (served, tracked, guard) = parts;
        now(served);
        now(tracked);
        drop(guard);
        assert_eq!(cell.state(), Lifecycle::Stopped);
    });
    let parts: Vec<_> = lines
        .iter()
        .map(|line| line.rsplit_once("parts=").expect("a field").1)
        .collect();
    assert_eq!(parts, ["0", "3", "3", "0"], "{lines:?}");
}

/// Ways to fail, and the cause that is logged.
const FAILURES: [(&str, fn(), &str); 10] = [
    (
        "an error of the body",
        || {
            let failing = async { Err::<(), _>(TestError::Own("no port")) };
            let _ = now(named().start(CancellationToken::new(), failing));
        },
        "no port",
    ),
    (
        "a panic of the body",
        || {
            let service = named();
            let panics = async { resume_unwind(Box::new("bad port")) };
            let start = service.start::<()>(CancellationToken::new(), panics);
            assert!(catch_unwind(AssertUnwindSafe(|| now(start))).is_err());
        },
        "panicked: bad port",
    ),
    (
        "a start that is dropped",
        || {
            let service = named();
            let start = service.start::<()>(CancellationToken::new(), pending());
            let mut start = task::spawn(start);
            assert_pending!(start.poll());
        },
        "the start was dropped before it had ended (by a `select!`, a timeout or an abort around it)",
    ),
    (
        "fail of a start",
        || {
            let service = named();
            let start = service.start::<()>(CancellationToken::new(), pending());
            let mut start = task::spawn(start);
            assert_pending!(start.poll());
            assert!(service.state.fail("disk full"));
            assert!(start.poll().is_ready());
        },
        "disk full",
    ),
    (
        "fail of a cell that was never started",
        || assert!(named().state.fail("disk full")),
        "disk full",
    ),
    (
        "fail of a service without parts",
        || {
            let (cell, _, ()) = running(|_| ());
            assert!(cell.fail("disk full"));
        },
        "disk full",
    ),
    (
        "a served error, with a client left",
        || {
            let (cell, _, (served, client)) = running(|cell| {
                let served = cell.serve(ready(Err::<(), _>("disk full")));
                (served, cell.track(pending::<()>()))
            });
            now(served);
            drop(client);
            assert_eq!(cell.state(), Lifecycle::Failed);
        },
        "disk full",
    ),
    (
        "a second failure after the first",
        || {
            let (cell, _, served) = running(|cell| {
                let first = cell.serve(ready(Err::<(), _>("disk full")));
                (first, cell.serve(ready(Err::<(), _>("flush failed"))))
            });
            now(served.0);
            now(served.1);
            assert!(!cell.fail("too late"));
        },
        "disk full",
    ),
    (
        "a served error on the way down",
        || {
            let (_, token, served) =
                running(|cell| cell.serve(ready(Err::<(), _>("flush failed"))));
            token.cancel();
            now(served);
        },
        "flush failed",
    ),
    (
        "an abort",
        || {
            let (cell, _, served) = running(|cell| cell.serve(pending::<()>()));
            let mut served = task::spawn(served);
            assert_pending!(served.poll());
            cell.abort();
            assert_ready_eq!(served.poll(), None);
        },
        "the service was aborted before it had ended",
    ),
];

/// The error is logged when the service fails, which may be long before it has ended.
#[test]
fn a_failure_is_one_error() {
    for (name, fails, cause) in FAILURES {
        let lines = logged(fails);
        let errors = of_level(&lines, "ERROR");
        assert_eq!(errors.len(), 1, "{name}: {lines:?}");
        let cause = format!(" cause={cause} parts=");
        assert!(errors[0].contains(&cause), "{name}: {lines:?}");
        let last = lines.last().expect("an event");
        assert!(last.contains(r#"to="Failed""#), "{name}: {lines:?}");
        assert!(last.contains(&cause), "{name}: {lines:?}");
        assert_eq!(of_level(&lines, "WARN"), [""; 0], "{name}");
    }
}

/// One of several parts fails. Its line is a field of the error, and no part of the message.
#[test]
fn the_error_of_a_part_names_its_line() {
    type Fails = fn(&StateCell);
    let failing: [(&str, u32, Fails); 4] = [
        ("an error", line!(), |cell| {
            now(cell.serve(ready(Err::<(), _>("disk full"))));
        }),
        ("a panic", line!(), |cell| {
            let served = cell.serve(async { resume_unwind(Box::new("bad port")) });
            assert!(catch_unwind(AssertUnwindSafe(|| now(served))).is_err());
        }),
        ("a drop", line!(), |cell| {
            drop(cell.serve(pending::<()>()));
        }),
        ("a guard", line!(), |cell| {
            let guard = cell.serve_guard();
            panic_message(|| {
                let _guard = guard;
                resume_unwind(Box::new("bad thread"));
            });
        }),
    ];
    for (name, line, fails) in failing {
        let lines = logged(|| {
            let (cell, _, _other) = running(|cell| cell.serve(pending::<()>()));
            fails(&cell);
            let failure = cell.failure().expect("a cause").to_string();
            assert!(name == "a drop" || !failure.contains(".rs:"), "{failure}");
        });
        let errors = of_level(&lines, "ERROR");
        assert_eq!(errors.len(), 1, "{name}: {lines:?}");
        let place = format!(" part={}:{}", file!(), line + 1);
        assert!(errors[0].ends_with(&place), "{name}: {lines:?}");
        let others = lines.iter().filter(|line| !line.starts_with("ERROR"));
        assert_eq!(others.filter(|line| line.contains(" part=")).count(), 0);
    }
}

#[test]
fn the_error_of_a_body_names_no_part() {
    let lines = logged(|| {
        let failing = async { Err::<(), _>(TestError::Own("no port")) };
        let _ = now(named().start(CancellationToken::new(), failing));
    });
    assert!(!of_level(&lines, "ERROR")[0].contains("part="), "{lines:?}");
}

/// A run that returns an error drops what it serves. That is not the failure.
#[test]
fn an_error_of_a_run_is_the_error_that_is_logged() {
    #[cancel_guarded(run, state = cell)]
    async fn fails(cell: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
        let _served = cell.serve(pending::<()>());
        cell.store(Lifecycle::Running);
        Err(TestError::Own("no such table"))
    }

    let lines = logged(|| {
        let cell = named().state;
        now(fails(&cell, CancellationToken::new())).expect_err("its own error");
        let failure = cell.failure().expect("a cause");
        assert_eq!(failure.to_string(), "no such table");
    });
    let errors = of_level(&lines, "ERROR");
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(errors[0].contains("cause=no such table"), "{lines:?}");
}

#[test]
fn a_failed_client_is_a_warning() {
    let lines = logged(|| {
        let (cell, _, clients) = running(|cell| {
            let failing = cell.track(ready(Err::<(), _>("reset by peer")));
            let panicking = cell.track(async { resume_unwind(Box::new("bad client")) });
            (failing, panicking, cell.track(ready(())))
        });
        let (failing, panicking, fine) = clients;
        assert_eq!(now(failing), Some(Err("reset by peer")));
        assert!(catch_unwind(AssertUnwindSafe(|| now(panicking))).is_err());
        assert_eq!(now(fine), Some(()));
        assert!(cell.is_running());
    });
    assert_eq!(of_level(&lines, "ERROR"), [""; 0]);
    assert_eq!(
        of_level(&lines, "WARN"),
        [
            r#"WARN mailer: a tracked future failed service="mailer" cause=reset by peer"#,
            r#"WARN mailer: a tracked future failed service="mailer" cause=panicked: bad client"#,
        ]
    );
}

/// What is served on a cell that was never started is dropped. Debug builds also panic.
#[test]
fn serving_without_an_attempt_is_a_warning() {
    let serves: [fn(&StateCell); 3] = [
        |cell| drop(cell.serve(pending::<()>())),
        |cell| drop(cell.serve_local(pending::<()>())),
        |cell| drop(cell.track(pending::<()>())),
    ];
    for serve in serves {
        let lines = logged(|| {
            let cell = named().state;
            let message = panic_message(|| serve(&cell));
            assert_eq!(message.is_some(), cfg!(debug_assertions));
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("WARN mailer: a future was dropped"),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(r#"service="mailer""#), "{lines:?}");
    }
}

/// It does not panic, as `serve` does: without an attempt the guard does nothing, and loses nothing.
#[test]
fn a_guard_without_an_attempt_is_a_warning() {
    let lines = logged(|| {
        let guard = named().state.serve_guard();
        assert!(guard.token().is_cancelled());
    });
    assert_eq!(
        lines,
        [
            "WARN mailer: a guard is no part of the service, because no start of this cell is under way; \
          call `serve_guard` in the body of a start that is guarded with `state = ..` for this very cell \
          service=\"mailer\""
        ]
    );
}

#[test]
fn a_guard_after_the_end_is_no_event() {
    let (cell, _, ()) = running(|_| ());
    cell.request_stop();
    let lines = logged(|| drop(cell.serve_guard()));
    assert_eq!(lines, [""; 0]);
}

#[test]
fn serving_after_the_end_is_no_event() {
    let (cell, _, ()) = running(|_| ());
    cell.request_stop();
    let lines = logged(|| {
        assert_eq!(now(cell.serve(pending::<()>())), None);
        assert_eq!(now(cell.track(pending::<()>())), None);
    });
    assert_eq!(lines, [""; 0]);
}

/// A part that waits for its own service waits for itself. The wait says so at its first poll, and
/// once.
#[test]
fn a_part_that_waits_for_its_service_is_a_warning() {
    type Wait = fn(StateCell) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    let waits: [Wait; 3] = [
        |cell| Box::pin(async move { drop(cell.stop().await) }),
        |cell| Box::pin(async move { drop(cell.stopped().await) }),
        |cell| Box::pin(async move { drop(cell.stop_or_abort(pending::<()>()).await) }),
    ];
    for wait in waits {
        let lines = logged(|| {
            let (_cell, _, parts) = running(|cell| {
                (
                    cell.serve(wait(cell.clone())),
                    cell.track(wait(cell.clone())),
                )
            });
            let (mut served, mut tracked) = (task::spawn(parts.0), task::spawn(parts.1));
            for _ in 0..2 {
                assert_pending!(served.poll());
                assert_pending!(tracked.poll());
            }
            drop((served, tracked));
        });
        let warnings = of_level(&lines, "WARN");
        assert_eq!(warnings.len(), 2, "{lines:?}");
        for warning in warnings {
            assert!(
                warning.starts_with("WARN mailer: a part of this service waits"),
                "{warning}"
            );
            assert!(warning.contains("`request_stop()`"), "{warning}");
        }
    }
}

/// The body of a run is a part, too, and may wait in a callee.
#[test]
fn a_run_that_waits_for_its_service_is_a_warning() {
    #[cancel_guarded(run, state = cell)]
    async fn runs(cell: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
        cell.store(Lifecycle::Running);
        shut_down(cell).await;
        Ok(())
    }

    async fn shut_down(cell: &StateCell) {
        let _ = cell.stop().await;
    }

    let lines = logged(|| {
        let cell = named().state;
        let mut run = task::spawn(runs(&cell, CancellationToken::new()));
        assert_pending!(run.poll());
    });
    assert_eq!(of_level(&lines, "WARN").len(), 1, "{lines:?}");
}

/// The body of a start waits for what only its return brings about.
#[test]
fn a_start_that_waits_for_itself_is_a_warning() {
    #[cancel_guarded(start, state = cell)]
    async fn starts(
        cell: &StateCell,
        _shutdown: CancellationToken,
        waits: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        waits.await;
        Ok(())
    }

    let lines = logged(|| {
        let cell = named().state;
        let stopped = async { drop(cell.stopped().await) };
        let mut start = task::spawn(starts(&cell, CancellationToken::new(), stopped));
        assert_pending!(start.poll());
    });
    let warnings = of_level(&lines, "WARN");
    assert_eq!(warnings.len(), 1, "{lines:?}");
    assert!(warnings[0].starts_with("WARN mailer: a part of this service waits"));

    let lines = logged(|| {
        let cell = named().state;
        let served = async { assert_eq!(cell.serve(async {}).await, None) };
        let mut start = task::spawn(starts(&cell, CancellationToken::new(), served));
        assert_pending!(start.poll());
    });
    let warnings = of_level(&lines, "WARN");
    assert_eq!(warnings.len(), 1, "{lines:?}");
    assert!(warnings[0].starts_with("WARN mailer: the body of a start waits"));
}

/// A stop interrupts the body of the start that asks for it.
#[test]
fn a_start_that_stops_itself_is_no_warning() {
    #[cancel_guarded(start, state = cell)]
    async fn starts(cell: &StateCell, _shutdown: CancellationToken) -> Result<(), StartError> {
        give_up(cell).await;
        Ok(())
    }

    async fn give_up(cell: &StateCell) {
        let _ = cell.stop().await;
    }

    let lines = logged(|| {
        let cell = named().state;
        let mut start = task::spawn(starts(&cell, CancellationToken::new()));
        assert_ready_eq!(start.poll(), Err(StartError::Cancelled));
    });
    assert!(
        lines.iter().all(|line| !line.contains("waits")),
        "{lines:?}"
    );
}

/// A service may stop another one. A task that is no part may wait for its end.
#[test]
fn a_wait_for_another_service_is_no_warning() {
    let lines = logged(|| {
        let (other, _, guard) = running(StateCell::serve_guard);
        let (_cell, _, served) = running(|cell| {
            let other = other.clone();
            cell.serve(async move { drop(other.stop().await) })
        });
        let mut served = task::spawn(served);
        assert_pending!(served.poll());
        drop(guard);
        assert_ready_eq!(served.poll(), Some(()));

        let mut stop = task::spawn(other.stop());
        assert_ready_ok!(stop.poll());
    });
    assert_eq!(of_level(&lines, "WARN"), [""; 0]);
}

/// A part polled inside a part of another service does not hide the outer one.
#[test]
fn a_nested_part_does_not_hide_the_warning() {
    let lines = logged(|| {
        let (_inner, _, inner_part) = running(|cell| cell.serve(ready(())));
        let (_outer, _, outer_part) = running(|cell| {
            let outer = cell.clone();
            cell.serve(async move {
                assert_eq!(inner_part.await, Some(()));
                drop(outer.stop().await);
            })
        });
        let mut outer_part = task::spawn(outer_part);
        assert_pending!(outer_part.poll());
    });
    assert_eq!(of_level(&lines, "WARN").len(), 1, "{lines:?}");
}

/// Four roles read `Idle`, and `Full` is a step of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Queue {
    #[state(initial, starting, stopped, failed)]
    Idle,
    #[state(running)]
    Busy,
    #[state(stopping)]
    Closing,
    Full,
}

#[cancel_guarded(state = cell)]
async fn opens(cell: &StateCell<Queue>, shutdown: CancellationToken) -> Result<(), StartError> {
    Ok(())
}

#[test]
fn own_steps_and_equal_roles_have_events() {
    let lines = logged(|| {
        let cell = StateCell::named("queue");
        now(opens(&cell, CancellationToken::new())).expect("starts");
        cell.transition(Queue::Busy, Queue::Full).expect("a step");
        cell.transition(Queue::Full, Queue::Busy).expect("back");
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG queue: Idle to Idle service="queue" from="Idle" to="Idle" parts=0"#,
            r#"INFO queue: Idle to Busy service="queue" from="Idle" to="Busy" parts=0"#,
            r#"INFO queue: Busy to Full service="queue" from="Busy" to="Full" parts=0"#,
            r#"INFO queue: Full to Busy service="queue" from="Full" to="Busy" parts=0"#,
        ]
    );
}

/// A subscriber may read the cell: it reads the new state, and takes the lock.
#[test]
fn events_come_after_the_transition() {
    let service = named();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer({
            let (cell, seen) = (service.state.clone(), Arc::clone(&seen));
            move || {
                seen.lock().expect("not poisoned").push(cell.state());
                drop(cell.failure());
                std::io::sink()
            }
        })
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        now(service.start(CancellationToken::new(), async { Ok(()) })).expect("starts");
    });
    assert_eq!(
        *seen.lock().expect("not poisoned"),
        [Lifecycle::Starting, Lifecycle::Running]
    );
}

/// Events keep the order of the transitions, although a waker ends the service inside the call that
/// stops it.
#[test]
fn events_come_in_the_order_of_the_transitions() {
    let ways: [(fn(&StateCell), _); 2] = [
        (|cell| assert!(cell.request_stop()), "Stopped"),
        (|cell| assert!(cell.fail("disk full")), "Failed"),
    ];
    for (stop, end) in ways {
        let service = named();
        let token = CancellationToken::new();
        let started = now(service.start_seeing(token, |shutdown| async {
            let serving = async move { shutdown.cancelled().await };
            Ok(service.state.serve(Box::pin(serving)))
        }));
        let slot = Arc::new(Mutex::new(None));
        let ends = on_wake({
            let slot = Arc::clone(&slot);
            move || {
                let served = slot.lock().expect("not poisoned").take();
                assert_eq!(now(served.expect("pending")), Some(()));
            }
        });
        let served = pending_with(&ends, started.expect("starts"));
        *slot.lock().expect("not poisoned") = Some(served);
        let lines = logged(|| stop(&service.state));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("Running to Stopping"), "{lines:?}");
        assert!(
            lines[1].contains(&format!("Stopping to {end}")),
            "{lines:?}"
        );
    }
}

/// A subscriber that sees the last event finds the token of the attempt cancelled.
#[test]
fn the_token_is_cancelled_before_the_last_event() {
    struct Looks(CancellationToken, Arc<Mutex<Vec<bool>>>);

    impl Write for Looks {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1
                .lock()
                .expect("not poisoned")
                .push(self.0.is_cancelled());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let ends: [fn(&StateCell); 3] = [
        |cell| assert!(cell.request_stop()),
        |cell| assert!(cell.fail("disk full")),
        |cell| {
            let stopping = cell.transition(Lifecycle::Running, Lifecycle::Stopping);
            stopping.expect("is running");
        },
    ];
    for end in ends {
        let service = named();
        let child =
            now(service.start_seeing(CancellationToken::new(), |token| async { Ok(token) }));
        let child = child.expect("starts");
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::TRACE)
            .with_writer({
                let seen = Arc::clone(&seen);
                move || Looks(child.clone(), Arc::clone(&seen))
            })
            .finish();
        tracing::subscriber::with_default(subscriber, || end(&service.state));
        let seen = seen.lock().expect("not poisoned");
        assert_eq!(seen.len(), 2);
        assert_eq!(seen.last(), Some(&true));
    }
}

/// A subscriber that panics changes nothing for the service, and the panic does not leave.
#[test]
fn a_panic_of_the_subscriber_does_not_leave() {
    struct Panics;

    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            resume_unwind(Box::new("a bad subscriber"))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let service = named();
    let token = CancellationToken::new();
    let subscriber = tracing_subscriber::fmt().with_writer(|| Panics).finish();
    tracing::subscriber::with_default(subscriber, || {
        assert_ready!(task::spawn(service.start(token.clone(), async { Ok(()) })).poll())
            .expect("starts");
        token.cancel();
    });
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}
