//! The checks that each form has to pass.

use std::any::type_name;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StartError, StateCell};
use cancel_guarded_tests::{Flag, Log, Remnant, install_global_subscriber};
use tokio::sync::Semaphore;
use tokio_test::task;

use Lifecycle::{Created, Failed, Running, Starting, Stopping};

/// The value of every form that succeeds.
pub(crate) const VALUE: u32 = 7;

/// The work of every body.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    cell: StateCell,
    gate: Arc<Semaphore>,
    entered: Flag,
    left: Log<Lifecycle>,
}

impl Work {
    fn on(cell: &StateCell) -> Self {
        Self {
            cell: cell.clone(),
            gate: Arc::new(Semaphore::new(0)),
            entered: Flag::default(),
            left: Log::default(),
        }
    }

    /// Records that the body was polled, and waits for `go_on`.
    pub(crate) async fn done(&self) -> u32 {
        self.entered.set();
        let _remnant = Remnant::of(&self.cell, &self.left);
        drop(self.gate.acquire().await.expect("the gate is not closed"));
        VALUE
    }

    /// Releases one body.
    pub(crate) fn go_on(&self) {
        self.gate.add_permits(1);
    }
}

/// The service of every form.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) state: StateCell,
    pub(crate) work: Work,
}

impl Service {
    pub(crate) fn new() -> Self {
        let state = StateCell::new();
        let work = Work::on(&state);
        Self { state, work }
    }
}

/// What the return value of a start tells.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    Value(u32),
    Refused(String),
    /// Refused, without a reason.
    No,
    /// Nothing.
    Nothing,
}

/// A return type of a form.
pub(crate) trait IntoReply {
    fn into_reply(self) -> Reply;
}

impl<E: Display> IntoReply for Result<u32, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => Reply::Value(value),
            Err(error) => Reply::Refused(error.to_string()),
        }
    }
}

impl IntoReply for Option<u32> {
    fn into_reply(self) -> Reply {
        self.map_or(Reply::No, Reply::Value)
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::Nothing
    }
}

/// Checks a form whose future is `Send`.
pub(crate) fn check<S, F>(start: S)
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply> + Send,
{
    check_local(start);
}

/// Checks a form whose plain future is not `Send` either.
pub(crate) fn check_local<S, F>(start: S)
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply>,
{
    Form {
        name: type_name::<S>(),
        publishes: true,
        start,
    }
    .check();
}

/// Checks a form without `state`.
pub(crate) fn check_stateless<S, F>(start: S)
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply> + Send,
{
    Form {
        name: type_name::<S>(),
        publishes: false,
        start,
    }
    .check();
}

struct Form<S> {
    name: &'static str,
    publishes: bool,
    start: S,
}

impl<S, F> Form<S>
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply>,
{
    fn check(&self) {
        install_global_subscriber();
        self.cancelled_before();
        self.cancelled_during();
        self.dropped_during();
        self.not_cancelled();
    }

    fn cancelled_before(&self) {
        let (service, token) = (Service::new(), CancellationToken::new());
        token.cancel();
        let phase = "cancelled before";
        let answer = self.ready(phase, &mut self.begin(&service, &token));
        self.refused(phase, &answer, StartError::Cancelled);
        assert!(
            !service.work.entered.is_set(),
            "{}, {phase}: the body was polled",
            self.name
        );
        self.failed(phase, &service, FailureKind::Cancelled);
    }

    fn cancelled_during(&self) {
        let (service, token) = (Service::new(), CancellationToken::new());
        let phase = "cancelled during";
        let mut start = self.begin(&service, &token);
        self.waits(phase, &service, &mut start);
        token.cancel();
        assert!(start.is_woken(), "{}, {phase}: not woken", self.name);
        // If the start is not interrupted, it now succeeds.
        service.work.go_on();
        let answer = self.ready(phase, &mut start);
        self.refused(phase, &answer, StartError::Cancelled);
        self.body_gone(phase, &service);
        self.failed(phase, &service, FailureKind::Cancelled);
    }

    fn dropped_during(&self) {
        let (service, token) = (Service::new(), CancellationToken::new());
        let phase = "dropped during";
        let mut start = self.begin(&service, &token);
        self.waits(phase, &service, &mut start);
        drop(start);
        self.body_gone(phase, &service);
        self.failed(phase, &service, FailureKind::Dropped);
    }

    fn not_cancelled(&self) {
        let (service, token) = (Service::new(), CancellationToken::new());
        let phase = "not cancelled";
        let mut start = self.begin(&service, &token);
        self.waits(phase, &service, &mut start);
        service.work.go_on();
        assert!(start.is_woken(), "{}, {phase}: not woken", self.name);
        let answer = self.ready(phase, &mut start);
        assert!(
            matches!(answer, Reply::Value(VALUE) | Reply::Nothing),
            "{}, {phase}: {answer:?}",
            self.name
        );
        if !self.publishes {
            self.reads(phase, &service, Created);
            return;
        }
        self.reads(phase, &service, Running);

        let phase = "once more while it runs";
        let answer = self.ready(phase, &mut self.begin(&service, &token));
        self.refused(
            phase,
            &answer,
            StartError::NotStartable { state: "Running" },
        );
        self.reads(phase, &service, Running);

        token.cancel();
        self.reads("cancelled when it runs", &service, Stopping);
    }

    fn begin(&self, service: &Service, token: &CancellationToken) -> task::Spawn<F> {
        task::spawn((self.start)(service.clone(), token.clone()))
    }

    fn waits(&self, phase: &str, service: &Service, start: &mut task::Spawn<F>) {
        assert!(
            start.poll().is_pending(),
            "{}, {phase}: returned before its work was done",
            self.name
        );
        assert!(
            service.work.entered.is_set(),
            "{}, {phase}: the body was not polled",
            self.name
        );
        self.reads(phase, service, self.of_attempt(Starting));
    }

    fn ready(&self, phase: &str, start: &mut task::Spawn<F>) -> Reply {
        match start.poll() {
            std::task::Poll::Ready(answer) => answer.into_reply(),
            std::task::Poll::Pending => panic!("{}, {phase}: still pending", self.name),
        }
    }

    fn refused(&self, phase: &str, answer: &Reply, why: StartError) {
        let refused = match answer {
            Reply::Refused(message) => *message == why.to_string(),
            Reply::No | Reply::Nothing => true,
            Reply::Value(_) => false,
        };
        assert!(refused, "{}, {phase}: {answer:?}", self.name);
    }

    fn body_gone(&self, phase: &str, service: &Service) {
        assert_eq!(
            service.work.left.all(),
            [self.of_attempt(Starting)],
            "{}, {phase}: the body is dropped, once, before FAILED",
            self.name
        );
    }

    fn failed(&self, phase: &str, service: &Service, kind: FailureKind) {
        self.reads(phase, service, self.of_attempt(Failed));
        let found = service.state.failure().map(|failure| failure.kind());
        let expected = self.publishes.then_some(kind);
        assert_eq!(found, expected, "{}, {phase}: the cause", self.name);
    }

    fn reads(&self, phase: &str, service: &Service, state: Lifecycle) {
        let found = service.state.state();
        assert_eq!(found, state, "{}, {phase}: the cell", self.name);
    }

    /// The state that the cell has to read, if the form has one.
    fn of_attempt(&self, state: Lifecycle) -> Lifecycle {
        if self.publishes { state } else { Created }
    }
}

/// Makes a test for each form.
macro_rules! forms {
    ($($(#[$check:ident])? $name:ident: |$service:pat_param, $shutdown:pat_param| $call:expr;)*) => {
        mod checks {
            use super::*;

            $(
                #[test]
                pub(super) fn $name() {
                    (forms!(@check $($check)?))(|$service: $crate::harness::Service, $shutdown| async move {
                        $call.await
                    });
                }
            )*
        }
    };
    (@check) => { $crate::harness::check };
    (@check $check:ident) => { $crate::harness::$check };
}

pub(crate) use forms;
