//! A program that uses `log` and has no subscriber for `tracing`: the events become records of `log`.
//!
//! One test, alone in its process, because a process has one logger. In `tests/trace.rs` there is a
//! subscriber, so nothing is passed on.

use std::sync::{Mutex, PoisonError};

use cancel_guarded_tests::{Service, TestError, now};
use guard::{CancellationToken, StartError, StateCell};
use log::{LevelFilter, Log, Metadata, Record};

struct Records(Mutex<Vec<String>>);

static RECORDS: Records = Records(Mutex::new(Vec::new()));

impl Log for Records {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "cancel_guarded" {
            let line = format!("{} {}", record.level(), record.args());
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    }

    fn flush(&self) {}
}

/// Returns what `f` logs.
fn logged(f: impl FnOnce()) -> Vec<String> {
    f();
    let mut records = RECORDS.0.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *records)
}

fn named() -> Service {
    Service {
        state: StateCell::named("mailer"),
    }
}

#[test]
fn events_become_records() {
    log::set_logger(&RECORDS).expect("the only logger");
    log::set_max_level(LevelFilter::Trace);

    let lines = logged(|| {
        let (service, token) = (named(), CancellationToken::new());
        now(service.start(token.clone(), async { Ok(()) })).expect("starts");
        token.cancel();
    });
    assert_eq!(
        lines,
        [
            r#"DEBUG mailer: Created to Starting service="mailer" from="Created" to="Starting" parts=0"#,
            r#"INFO mailer: Starting to Running service="mailer" from="Starting" to="Running" parts=0"#,
            r#"INFO mailer: Running to Stopping service="mailer" from="Running" to="Stopping" parts=0"#,
            r#"INFO mailer: Stopping to Stopped service="mailer" from="Stopping" to="Stopped" parts=0"#,
        ]
    );

    let lines = logged(|| {
        let failing = async { Err::<(), _>(TestError::Own("no port")) };
        now(named().start(CancellationToken::new(), failing)).expect_err("fails");
    });
    assert_eq!(
        lines.last().map(String::as_str),
        Some(
            r#"ERROR mailer: Starting to Failed service="mailer" from="Starting" to="Failed" cause=no port parts=0"#
        )
    );

    let lines = logged(|| {
        let cell = named().state;
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let client = attempt.start_sync(|_| {
            Ok::<_, StartError>(cell.track(async { Err::<(), _>("reset by peer") }))
        });
        now(client.expect("starts"));
    });
    assert_eq!(
        lines.last().map(String::as_str),
        Some(r#"WARN mailer: a tracked future failed service="mailer" cause=reset by peer"#)
    );

    // Records below the level of `log` are not made.
    log::set_max_level(LevelFilter::Warn);
    let lines = logged(|| {
        let (service, token) = (named(), CancellationToken::new());
        now(service.start(token.clone(), async { Ok(()) })).expect("starts");
        token.cancel();
    });
    assert_eq!(lines, [""; 0]);
}
