//! The checks that each position has to pass.

use std::future::{Future, IntoFuture, Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use cancel_guarded::CancellationToken;
use cancel_guarded_tests::{CANCELLED, Count, Log, TestError};
use tokio_test::task;

/// The return type of a position.
pub(crate) type Returns = Result<u32, TestError>;

/// The events of a position, in order.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) log: Log<String>,
    done: Count,
    /// The operation that cancels this token as it succeeds.
    cancel_at: Option<(usize, CancellationToken)>,
}

impl Trace {
    /// An operation that waits once, and then yields `value`.
    pub(crate) fn op<'a, T>(&'a self, name: &'a str, value: T) -> Op<'a, T> {
        self.log.push(format!("{name}?"));
        Op {
            trace: self,
            name,
            value: Some(value),
            waited: false,
        }
    }

    /// An operation that may fail.
    pub(crate) fn ok<'a, T>(&'a self, name: &'a str, value: T) -> Op<'a, Result<T, TestError>> {
        self.op(name, Ok(value))
    }

    /// A value that logs its drop.
    pub(crate) fn made<'a>(&'a self, name: &'a str, value: u32) -> Made<'a> {
        self.log.push(format!("+{name}"));
        Made {
            trace: self,
            name,
            value,
        }
    }
}

pub(crate) struct Op<'a, T> {
    trace: &'a Trace,
    name: &'a str,
    value: Option<T>,
    waited: bool,
}

impl<T> Unpin for Op<'_, T> {}

impl<T> Future for Op<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        if !std::mem::replace(&mut self.waited, true) {
            return Poll::Pending;
        }
        self.trace.log.push(format!("{}!", self.name));
        if let Some((at, token)) = &self.trace.cancel_at {
            if self.trace.done.get() == *at {
                token.cancel();
            }
        }
        self.trace.done.add();
        Poll::Ready(self.value.take().expect("an operation is done once"))
    }
}

pub(crate) struct Made<'a> {
    trace: &'a Trace,
    name: &'a str,
    pub(crate) value: u32,
}

impl Made<'_> {
    pub(crate) fn next(&self) -> Op<'_, u32> {
        self.trace.op("next", self.value + 1)
    }

    pub(crate) fn some(&self) -> Op<'_, Option<&u32>> {
        self.trace.op("some", Some(&self.value))
    }

    pub(crate) fn none(&self) -> Op<'_, Option<&u32>> {
        self.trace.op("none", None)
    }

    pub(crate) fn fine(&self) -> Op<'_, Result<&Self, TestError>> {
        self.trace.op("fine", Ok(self))
    }
}

impl Deref for Made<'_> {
    type Target = u32;

    fn deref(&self) -> &u32 {
        &self.value
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.trace.log.push(format!("-{}", self.name));
    }
}

/// A value that is not a future, and converts into one.
pub(crate) struct Becomes(pub(crate) u32);

impl IntoFuture for Becomes {
    type Output = u32;
    type IntoFuture = Ready<u32>;

    fn into_future(self) -> Ready<u32> {
        ready(self.0)
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Point {
    pub(crate) x: u32,
    pub(crate) y: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the positions borrow temporaries"
)]
pub(crate) fn add(left: &u32, right: u32) -> u32 {
    left + right
}

pub(crate) async fn increment(t: &Trace, n: &mut u32) {
    *n = t.op("increment", *n + 1).await;
}

pub(crate) type Started<'a> = Pin<Box<dyn Future<Output = Returns> + 'a>>;

/// A position: how its two functions are called, and whether their futures are `Send`.
pub(crate) struct Position {
    pub(crate) name: &'static str,
    pub(crate) plain: fn(&Trace) -> Started<'_>,
    pub(crate) guarded: fn(&Trace, CancellationToken) -> Started<'_>,
    /// Whether every await is in the body's own syntax, so that each is re-checked.
    pub(crate) direct: bool,
}

/// The result of a run, and its events up to its end or its drop.
struct Run {
    returned: Option<Returns>,
    polls: usize,
    log: Vec<String>,
}

fn run(trace: &Trace, started: Started<'_>, polls: usize) -> Run {
    let mut started = task::spawn(started);
    let mut run = Run {
        returned: None,
        polls: 0,
        log: Vec::new(),
    };
    while run.returned.is_none() && run.polls < polls {
        run.polls += 1;
        if let Poll::Ready(returned) = started.poll() {
            run.returned = Some(returned);
        }
    }
    drop(started);
    run.log = trace.log.all();
    run
}

/// More polls than any position takes.
const ALL: usize = 100;

impl Position {
    pub(crate) fn check(&self) {
        let trace = Trace::default();
        let plain = run(&trace, (self.plain)(&trace), ALL);
        let operations = trace.done.get();
        assert!(plain.returned.is_some(), "{}: it ends", self.name);
        assert!(plain.polls > 1, "{}: it waits", self.name);

        let trace = Trace::default();
        let guarded = run(
            &trace,
            (self.guarded)(&trace, CancellationToken::new()),
            ALL,
        );
        assert_eq!(guarded.returned, plain.returned, "{}: returned", self.name);
        assert_eq!(guarded.log, plain.log, "{}: done", self.name);
        assert_eq!(guarded.polls, plain.polls, "{}: polls", self.name);

        for polls in 0..plain.polls {
            self.cancelled_where_it_waits(polls);
        }
        for operation in 0..operations {
            self.cancelled_by_an_operation(operation, &plain.log);
        }
    }

    fn cancelled_where_it_waits(&self, polls: usize) {
        let trace = Trace::default();
        let plain = run(&trace, (self.plain)(&trace), polls);

        let trace = Trace::default();
        let token = CancellationToken::new();
        let mut started = task::spawn((self.guarded)(&trace, token.clone()));
        for _ in 0..polls {
            let polled = started.poll();
            assert!(polled.is_pending(), "{}: {polled:?}", self.name);
        }
        token.cancel();
        let returned = started.poll();
        let name = self.name;
        assert_eq!(
            returned,
            Poll::Ready(Err(CANCELLED)),
            "{name}: after {polls} polls"
        );
        assert_eq!(trace.log.all(), plain.log, "{name}: after {polls} polls");
    }

    fn cancelled_by_an_operation(&self, operation: usize, plain: &[String]) {
        let token = CancellationToken::new();
        let trace = Trace {
            cancel_at: Some((operation, token.clone())),
            ..Trace::default()
        };
        let cancelled = run(&trace, (self.guarded)(&trace, token.clone()), ALL);
        let name = self.name;
        assert_eq!(
            cancelled.returned,
            Some(Err(CANCELLED)),
            "{name}: cancelled by operation {operation}"
        );
        let count = |log: &[String], sign| log.iter().filter(|s| s.starts_with(sign)).count();
        assert_eq!(
            count(&cancelled.log, '+'),
            count(&cancelled.log, '-'),
            "{name}: all is dropped, {:?}",
            cancelled.log
        );
        if !self.direct {
            return;
        }
        let is_done = |event: &&String| event.ends_with('!');
        let seen = cancelled.log.iter().filter(is_done).count();
        assert_eq!(seen, operation + 1, "{name}: {:?}", cancelled.log);
        let last = cancelled.log.iter().rposition(|event| is_done(&event));
        let (before, after) = cancelled.log.split_at(last.expect("it was seen") + 1);
        assert_eq!(
            before,
            &plain[..before.len()],
            "{name}: up to operation {operation}"
        );
        assert!(
            after.iter().all(|event| event.starts_with('-')),
            "{name}: nothing runs after operation {operation}, but {after:?}"
        );
    }
}

/// Whether a value is `Send`: the inherent method wins if its bound holds.
pub(crate) struct Sends<'a, T>(PhantomData<&'a T>);

impl<'a, T> Sends<'a, T> {
    pub(crate) fn of(_: &'a T) -> Self {
        Self(PhantomData)
    }
}

pub(crate) trait MayNotSend {
    fn sends(&self) -> bool {
        false
    }
}

impl<T> MayNotSend for &Sends<'_, T> {}

impl<T: Send> Sends<'_, T> {
    #[expect(
        clippy::unused_self,
        reason = "the trait's method has the same receiver"
    )]
    pub(crate) fn sends(&self) -> bool {
        true
    }
}

#[test]
fn sends_tells_send_from_not_send() {
    assert!(Sends::of(&1).sends());
    assert!(!(&Sends::of(&std::rc::Rc::new(1))).sends());
}

/// Writes each position twice, and a test that compares the two.
macro_rules! positions {
    ($($kind:ident $name:ident($t:ident) { $($body:tt)* })*) => {
        mod plain {
            #[allow(unused_imports)]
            use super::*;
            $(pub(super) async fn $name($t: &Trace) -> Returns { $($body)* })*
        }

        mod guarded {
            #[allow(unused_imports)]
            use super::*;
            use cancel_guarded::{CancellationToken, cancel_guarded};

            $(
                #[cancel_guarded]
                pub(super) async fn $name($t: &Trace, shutdown: CancellationToken) -> Returns {
                    $($body)*
                }
            )*
        }

        mod checks {
            use super::{guarded, plain};
            #[allow(unused_imports)]
            use $crate::harness::{MayNotSend as _, Position, Sends, Trace};
            use cancel_guarded::CancellationToken;

            $(
                #[test]
                fn $name() {
                    let trace = Trace::default();
                    let plain = plain::$name(&trace);
                    let guarded = guarded::$name(&trace, CancellationToken::new());
                    assert_eq!(
                        (&Sends::of(&guarded)).sends(),
                        (&Sends::of(&plain)).sends(),
                        "both are `Send`, or neither"
                    );
                    Position {
                        name: stringify!($name),
                        plain: |trace| Box::pin(plain::$name(trace)),
                        guarded: |trace, token| Box::pin(guarded::$name(trace, token)),
                        direct: stringify!($kind) == "direct",
                    }
                    .check();
                }
            )*
        }
    };
}
pub(crate) use positions;
