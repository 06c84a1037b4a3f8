//! The checks that each form has to pass.

use std::any::type_name;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StartError, StateCell};
use cancel_guarded_tests::{Flag, Log, Remnant, install_global_subscriber, panic_message};
use tokio::sync::Semaphore;
use tokio_test::task;

use Lifecycle::{Created, Failed, Running, Starting, Stopped, Stopping};

/// The value of every form that succeeds.
pub(crate) const VALUE: u32 = 7;

/// The work of every body.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    cell: StateCell,
    gate: Arc<Semaphore>,
    entered: Flag,
    left: Log<Lifecycle>,
    /// The event in a sync body.
    now: Now,
}

/// An event in a sync body.
#[derive(Clone, Debug, Default)]
enum Now {
    #[default]
    Succeeds,
    Cancels(CancellationToken),
    Panics,
}

impl Work {
    fn on(cell: &StateCell) -> Self {
        Self {
            cell: cell.clone(),
            gate: Arc::new(Semaphore::new(0)),
            entered: Flag::default(),
            left: Log::default(),
            now: Now::default(),
        }
    }

    /// Records that the body was polled, and waits for `go_on`.
    pub(crate) async fn done(&self) -> u32 {
        self.entered.set();
        let _remnant = Remnant::of(&self.cell, &self.left);
        drop(self.gate.acquire().await.expect("the gate is not closed"));
        VALUE
    }

    /// The work of a body that does not wait.
    pub(crate) fn done_now(&self) -> u32 {
        self.entered.set();
        let _remnant = Remnant::of(&self.cell, &self.left);
        match &self.now {
            Now::Succeeds => {}
            Now::Cancels(token) => token.cancel(),
            Now::Panics => panic!("the body panics"),
        }
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

    fn that(now: Now) -> Self {
        let mut service = Self::new();
        service.work.now = now;
        service
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
        kind: Kind::Start,
        start,
    }
    .check();
}

/// Checks a `run` that is published at entry, and whose plain future is `Send`.
pub(crate) fn check_run<S, F>(run: S)
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply> + Send,
{
    check_local_run(run);
}

/// Checks a `run` that is published at entry, and whose plain future is not `Send` either.
pub(crate) fn check_local_run<S, F>(run: S)
where
    S: Fn(Service, CancellationToken) -> F,
    F: Future<Output: IntoReply>,
{
    Form {
        name: type_name::<S>(),
        kind: Kind::Run,
        start: run,
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
        kind: Kind::Stateless,
        start,
    }
    .check();
}

/// Checks a sync start.
pub(crate) fn check_sync<S, R>(start: S)
where
    S: Fn(Service, CancellationToken) -> R,
    R: IntoReply,
{
    Form {
        name: type_name::<S>(),
        kind: Kind::Start,
        start,
    }
    .check_sync();
}

/// Checks a sync `run`.
pub(crate) fn check_sync_run<S, R>(run: S)
where
    S: Fn(Service, CancellationToken) -> R,
    R: IntoReply,
{
    Form {
        name: type_name::<S>(),
        kind: Kind::Run,
        start: run,
    }
    .check_sync();
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Start,
    /// Published at entry.
    Run,
    /// Without `state`.
    Stateless,
}

struct Form<S> {
    name: &'static str,
    kind: Kind,
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
        self.refused(phase, &answer, &StartError::Cancelled);
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
        if self.kind == Kind::Run {
            self.reads(phase, &service, Stopping);
            service.work.go_on();
            let answer = self.ready(phase, &mut start);
            self.succeeded(phase, &answer);
            self.reads(phase, &service, Stopped);
            return;
        }
        assert!(start.is_woken(), "{}, {phase}: not woken", self.name);
        // If the start is not interrupted, it now succeeds.
        service.work.go_on();
        let answer = self.ready(phase, &mut start);
        self.refused(phase, &answer, &StartError::Cancelled);
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
        self.succeeded(phase, &answer);
        self.reads(phase, &service, self.after_success());
        if self.kind == Kind::Stateless {
            return;
        }

        let phase = "once more";
        let answer = self.ready(phase, &mut self.begin(&service, &token));
        self.not_startable(phase, &answer);
        self.reads(phase, &service, self.after_success());

        token.cancel();
        self.reads("cancelled when it runs", &service, Stopped);
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
        self.reads(phase, service, self.within());
    }

    fn ready(&self, phase: &str, start: &mut task::Spawn<F>) -> Reply {
        match start.poll() {
            std::task::Poll::Ready(answer) => answer.into_reply(),
            std::task::Poll::Pending => panic!("{}, {phase}: still pending", self.name),
        }
    }
}

impl<S> Form<S> {
    fn refused(&self, phase: &str, answer: &Reply, why: &StartError) {
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
            [self.within()],
            "{}, {phase}: the body is dropped, once, before FAILED",
            self.name
        );
    }

    fn failed(&self, phase: &str, service: &Service, kind: FailureKind) {
        let is_stateless = self.kind == Kind::Stateless;
        let state = if is_stateless { Created } else { Failed };
        self.reads(phase, service, state);
        let found = service.state.failure().map(|failure| failure.kind());
        let expected = (!is_stateless).then_some(kind);
        assert_eq!(found, expected, "{}, {phase}: the cause", self.name);
    }

    fn reads(&self, phase: &str, service: &Service, state: Lifecycle) {
        let found = service.state.state();
        assert_eq!(found, state, "{}, {phase}: the cell", self.name);
    }

    fn succeeded(&self, phase: &str, answer: &Reply) {
        assert!(
            matches!(answer, Reply::Value(VALUE) | Reply::Nothing),
            "{}, {phase}: {answer:?}",
            self.name
        );
    }

    fn not_startable(&self, phase: &str, answer: &Reply) {
        let state = self.after_success();
        let state = if state == Running {
            "Running"
        } else {
            "Stopped"
        };
        self.refused(phase, answer, &StartError::NotStartable { state });
    }

    /// What the cell reads in the body.
    fn within(&self) -> Lifecycle {
        match self.kind {
            Kind::Start => Starting,
            Kind::Run => Running,
            Kind::Stateless => Created,
        }
    }

    /// What the cell reads after the body has succeeded.
    fn after_success(&self) -> Lifecycle {
        match self.kind {
            Kind::Start => Running,
            Kind::Run => Stopped,
            Kind::Stateless => Created,
        }
    }
}

impl<S, R> Form<S>
where
    S: Fn(Service, CancellationToken) -> R,
    R: IntoReply,
{
    fn check_sync(&self) {
        let (service, token) = (Service::new(), CancellationToken::new());
        token.cancel();
        let phase = "cancelled before";
        let answer = self.call(&service, &token);
        self.refused(phase, &answer, &StartError::Cancelled);
        let entered = service.work.entered.is_set();
        assert!(!entered, "{}, {phase}: the body ran", self.name);
        self.failed(phase, &service, FailureKind::Cancelled);

        let token = CancellationToken::new();
        let service = Service::that(Now::Cancels(token.clone()));
        let phase = "cancelled in the body";
        let answer = self.call(&service, &token);
        if self.kind == Kind::Run {
            self.succeeded(phase, &answer);
            self.reads(phase, &service, Stopped);
            assert_eq!(
                service.work.left.all(),
                [Stopping],
                "{}, {phase}",
                self.name
            );
        } else {
            self.refused(phase, &answer, &StartError::Cancelled);
            self.failed(phase, &service, FailureKind::Cancelled);
            self.body_gone(phase, &service);
        }

        let (service, token) = (Service::that(Now::Panics), CancellationToken::new());
        let phase = "panics";
        let message = panic_message(|| drop(self.call(&service, &token)));
        assert_eq!(message.as_deref(), Some("the body panics"), "{}", self.name);
        self.failed(phase, &service, FailureKind::Panicked);
        self.body_gone(phase, &service);

        let (service, token) = (Service::new(), CancellationToken::new());
        let phase = "not cancelled";
        let answer = self.call(&service, &token);
        self.succeeded(phase, &answer);
        self.body_gone(phase, &service);
        self.reads(phase, &service, self.after_success());

        let phase = "once more";
        let answer = self.call(&service, &token);
        self.not_startable(phase, &answer);
        self.reads(phase, &service, self.after_success());

        token.cancel();
        self.reads("cancelled when it runs", &service, Stopped);
    }

    fn call(&self, service: &Service, token: &CancellationToken) -> Reply {
        (self.start)(service.clone(), token.clone()).into_reply()
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

/// Makes a test for each sync form.
macro_rules! sync_forms {
    ($check:ident: $($name:ident: |$service:pat_param, $shutdown:pat_param| $call:expr;)*) => {
        mod $check {
            use super::*;

            $(
                #[test]
                fn $name() {
                    $crate::harness::$check(|$service: $crate::harness::Service, $shutdown| $call);
                }
            )*
        }
    };
}

pub(crate) use {forms, sync_forms};
