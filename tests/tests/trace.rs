//! The feature `tracing`: one event for each transition, in the span of the call that made it.
#![cfg(feature = "tracing")]

use std::future::pending;
use std::io::Write;
use std::sync::{Arc, Mutex};

use cancel_guarded::{CancellationToken, Lifecycle, StartError, State, StateCell, cancel_guarded};
use cancel_guarded_tests::{
    Service, TestError, install_global_subscriber, now, on_wake, pending_with,
};
use tokio_test::{assert_pending, task};
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

#[test]
fn a_whole_life() {
    let lines = logged(|| {
        let service = named();
        let token = CancellationToken::new();
        info_span!("boot")
            .in_scope(|| now(service.start(token.clone(), async { Ok(()) })))
            .expect("starts");
        info_span!("signal").in_scope(|| token.cancel());
        let cell = &service.state;
        cell.transition(Lifecycle::Stopping, Lifecycle::Stopped)
            .expect("drained");
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG boot: mailer: Created to Starting service="mailer" from="Created" to="Starting""#,
            r#"INFO boot: mailer: Starting to Running service="mailer" from="Starting" to="Running""#,
            r#"INFO signal: mailer: Running to Stopping service="mailer" from="Running" to="Stopping""#,
            r#"INFO mailer: Stopping to Stopped service="mailer" from="Stopping" to="Stopped""#,
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
            r#"WARN mailer: Created to Failed service="mailer" from="Created" to="Failed" cause=cancelled before it was running"#
        ]
    );

    let failed = logged(|| {
        let failing = async { Err::<(), _>(TestError::Own("no port")) };
        now(named().start(CancellationToken::new(), failing)).expect_err("fails");
    });
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert_eq!(
        failed[1],
        r#"ERROR mailer: Starting to Failed service="mailer" from="Starting" to="Failed" cause=no port"#
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

/// Three roles read `Idle`, three read `Busy`, and `Full` is a step of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Queue {
    #[state(initial, stopped, failed)]
    Idle,
    #[state(starting, running, stopping)]
    Busy,
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
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG queue: Idle to Busy service="queue" from="Idle" to="Busy""#,
            r#"INFO queue: Busy to Busy service="queue" from="Busy" to="Busy""#,
            r#"INFO queue: Busy to Full service="queue" from="Busy" to="Full""#,
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
fn the_token_is_cancelled_before_the_event() {
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

    let service = named();
    let child = now(service.start_seeing(CancellationToken::new(), |token| async { Ok(token) }));
    let child = child.expect("starts");
    let seen = Arc::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer({
            let seen = Arc::clone(&seen);
            move || Looks(child.clone(), Arc::clone(&seen))
        })
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let cell = &service.state;
        cell.transition(Lifecycle::Running, Lifecycle::Stopped)
            .expect("is running");
    });
    assert_eq!(*seen.lock().expect("not poisoned"), [true]);
}
