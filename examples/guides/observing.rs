//! A readiness check, a metric, and a loop that follows the state.

use std::fmt::Write as _;

use cancel_guarded::{Lifecycle, State, StateCell};

/// Readiness: whether to send requests to this process.
fn readyz(cell: &StateCell) -> (u16, String) {
    let state = cell.state();
    match cell.failure() {
        _ if state == Lifecycle::Running => (200, "ok".to_owned()),
        Some(failure) => (503, failure.to_string()),
        None => (503, state.name().to_owned()),
    }
}

fn write_metrics<S: State>(service: &str, cell: &StateCell<S>, metrics: &mut String) {
    let now = cell.state();
    for state in S::VARIANTS {
        let value = u8::from(*state == now);
        let labels = format!(r#"service="{service}",state="{}""#, state.name());
        let _ = writeln!(metrics, "service_state{{{labels}}} {value}");
    }
}

/// Calls `report` with each state that it sees, until the service has ended.
async fn follow(cell: &StateCell, mut report: impl FnMut(Lifecycle)) {
    let mut last = cell.state();
    report(last);
    while !matches!(last, Lifecycle::Stopped | Lifecycle::Failed) {
        last = cell.wait_for(|state| state != last).await;
        report(last);
    }
}

#[test]
fn a_failed_service_is_not_ready() {
    let cell = StateCell::named("mailer");
    assert_eq!(readyz(&cell), (503, "Created".to_owned()));
    cell.fail("disk full");
    assert_eq!(readyz(&cell), (503, "disk full".to_owned()));
}

#[test]
fn one_gauge_for_each_state() {
    let (cell, mut metrics) = (StateCell::<Lifecycle>::new(), String::new());
    write_metrics("mailer", &cell, &mut metrics);
    assert_eq!(metrics.lines().count(), 6);
    assert!(metrics.starts_with("service_state{service=\"mailer\",state=\"Created\"} 1\n"));
    assert!(metrics.ends_with("service_state{service=\"mailer\",state=\"Failed\"} 0\n"));
}

#[tokio::test]
async fn the_loop_ends_with_the_service() {
    let cell = StateCell::new();
    let mut seen = Vec::new();
    let fail = async { cell.fail("no disk") };
    tokio::join!(biased; follow(&cell, |state| seen.push(state)), fail);
    assert_eq!(seen, [Lifecycle::Created, Lifecycle::Failed]);
}

#[test]
fn debug_shows_what_is_left() {
    let cell: StateCell = StateCell::named("mailer");
    cell.fail("disk full");
    let shown = format!("{cell:?}");
    let expected = r#"StateCell { name: "mailer", state: Failed, failure: Error("disk full") }"#;
    assert_eq!(shown, expected);
}
