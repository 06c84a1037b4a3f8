//! What the models share: the exploration with its list of outcomes, and short ways to start.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

pub(super) use loom::future::block_on;
pub(super) use loom::thread;

use crate::__private::{on_refused_default, start};
use crate::{CancellationToken, FailureKind, FromStartError, Lifecycle, StartError, StateCell};

/// How often the executions of a model met each outcome. In a mutex of std, so that loom does not
/// explore the order of the reports.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes(Arc<std::sync::Mutex<BTreeMap<String, u64>>>);

impl Outcomes {
    pub(super) fn saw(&self, outcome: impl fmt::Display) {
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

/// Explores `f`, prints how far, and asserts that it met all of `outcomes` and no other.
pub(super) fn model(name: &str, outcomes: &[&str], f: impl Fn(&Outcomes) + Send + Sync + 'static) {
    explore(&loom::model::Builder::new(), name, outcomes, f);
}

/// As `model`, with a bound on preemptions: for three threads, and for models that would otherwise
/// run for half a minute. Every clone, drop and child of a token takes its lock.
pub(super) fn bounded(
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
    let began = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        f(&seen_by_model);
    });
    let executions = executions.load(Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f32();
    println!("{name}: {executions} executions, {bound}, {seconds:.1} s");
    seen.assert_are(name, outcomes);
}

/// A start as the macro emits it, guarded by `token`.
pub(super) async fn drive<R: FromStartError>(
    cell: &StateCell,
    token: &CancellationToken,
    body: impl Future<Output = R>,
) -> R {
    let start = start(cell);
    start
        .guard_by(token)
        .drive(on_refused_default(), body)
        .await
}

/// As `drive`, with `restart`.
pub(super) async fn drive_again<R: FromStartError>(
    cell: &StateCell,
    token: &CancellationToken,
    body: impl Future<Output = R>,
) -> R {
    let start = start(cell);
    let options = start.guard_by(token).restart();
    options.drive(on_refused_default(), body).await
}

/// Starts a service without parts, and without a token of its own. Nothing cancels it meanwhile.
pub(super) fn start_service(cell: &StateCell, token: &CancellationToken) {
    start_with(cell, token, || ());
}

/// Starts a service and returns what `body` makes, which is called before the publication. The
/// attempt has a token of its own only if `body` asks for it.
pub(super) fn start_with<T>(
    cell: &StateCell,
    token: &CancellationToken,
    body: impl FnOnce() -> T,
) -> T {
    let started: Result<T, StartError> = block_on(drive(cell, token, async { Ok(body()) }));
    started.expect("nothing cancels it")
}

pub(super) fn new_cell() -> StateCell {
    StateCell::new()
}

/// A body that never ends.
pub(super) async fn never() -> Result<(), StartError> {
    pending().await
}

/// Pending once, with a wake.
pub(super) async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

pub(super) fn kind_of_failure(cell: &StateCell) -> FailureKind {
    cell.failure().expect("a cause").kind()
}

pub(super) fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of `future`, and whether it had to be waited for.
pub(super) fn wait<F: Future>(future: F) -> (F::Output, &'static str) {
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

/// Cancels `token` on another thread. When that call has returned, `cell` does not read `RUNNING`.
pub(super) fn cancelling(
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

/// Reads the state once on another thread.
pub(super) fn observing(
    cell: &StateCell,
    seen: &Outcomes,
    check: impl FnOnce(Lifecycle) + 'static,
) -> thread::JoinHandle<()> {
    let (cell, seen) = (cell.clone(), seen.clone());
    thread::spawn(move || {
        let state = cell.state();
        check(state);
        seen.saw(format_args!("observed {state:?}"));
    })
}
