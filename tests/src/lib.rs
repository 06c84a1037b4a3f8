//! Helpers of the tests: a service whose body each test writes, and types that record what happens.

mod subscriber;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use cancel_guarded::{
    CancellationToken, Failure, Lifecycle, StartError, StateCell, cancel_guarded,
};

pub use subscriber::install_global_subscriber;

/// The error of the test service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestError {
    /// The guard refused the start.
    Refused(StartError),
    /// The body failed.
    Own(&'static str),
}

impl From<StartError> for TestError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl std::fmt::Display for TestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "{error}"),
            Self::Own(message) => f.write_str(message),
        }
    }
}

/// The error of a start refused by cancellation.
pub const CANCELLED: TestError = TestError::Refused(StartError::Cancelled);

/// The error of a start refused by a failure, which the cell was given as `cause`.
pub fn failed(cause: &str) -> TestError {
    TestError::Refused(StartError::Failed(Failure::new(cause)))
}

/// The error of a start that found the cell in `state`.
pub fn not_startable(state: &'static str) -> TestError {
    TestError::Refused(StartError::NotStartable { state })
}

/// A service whose body each test writes.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The cell of this service.
    pub state: StateCell,
}

impl Service {
    /// A service that has not been started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Guards `body`, which does not see the token.
    ///
    /// # Errors
    ///
    /// Returns the error of the body, or a refusal.
    #[cancel_guarded(state = self.state)]
    pub async fn start<T>(
        &self,
        shutdown: CancellationToken,
        body: impl Future<Output = Result<T, TestError>>,
    ) -> Result<T, TestError> {
        body.await
    }

    /// Guards the future that `body` makes of the token.
    ///
    /// # Errors
    ///
    /// Returns the error of the body, or a refusal.
    #[cancel_guarded(state = self.state)]
    pub async fn start_seeing<T, B>(
        &self,
        shutdown: CancellationToken,
        body: impl FnOnce(CancellationToken) -> B,
    ) -> Result<T, TestError>
    where
        B: Future<Output = Result<T, TestError>>,
    {
        body(shutdown).await
    }

    /// As [`start`](Self::start), also from `Stopped` and `Failed`.
    ///
    /// # Errors
    ///
    /// Returns the error of the body, or a refusal.
    #[cancel_guarded(state = self.state, restart)]
    pub async fn restart<T>(
        &self,
        shutdown: CancellationToken,
        body: impl Future<Output = Result<T, TestError>>,
    ) -> Result<T, TestError> {
        body.await
    }

    /// As [`start_seeing`](Self::start_seeing), also from `Stopped` and `Failed`.
    ///
    /// # Errors
    ///
    /// Returns the error of the body, or a refusal.
    #[cancel_guarded(state = self.state, restart)]
    pub async fn restart_seeing<T, B>(
        &self,
        shutdown: CancellationToken,
        body: impl FnOnce(CancellationToken) -> B,
    ) -> Result<T, TestError>
    where
        B: Future<Output = Result<T, TestError>>,
    {
        body(shutdown).await
    }
}

/// Returns a published service with an empty body, and its token.
///
/// # Panics
///
/// If the start is pending or refused.
pub fn running_service() -> (Service, CancellationToken) {
    let (service, token) = (Service::new(), CancellationToken::new());
    let started = now(service.start(token.clone(), async { Ok(()) }));
    assert_eq!(started, Ok(()), "an empty body starts");
    (service, token)
}

/// Polls `future` once, and returns its output.
///
/// # Panics
///
/// If `future` is pending.
#[track_caller]
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending after its first poll"),
    }
}

/// Polls `future` once with `waker`, and returns the pending future.
///
/// # Panics
///
/// If `future` is ready.
#[track_caller]
pub fn pending_with<F: Future>(waker: &Waker, future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let polled = future.as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending(), "the future is ready at its first poll");
    future
}

/// Returns a waker that calls `f`.
pub fn on_wake(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct OnWake<F>(F);
    impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(OnWake(f)))
}

/// A barrier that spins, so that its threads leave at nearly the same time.
#[derive(Debug)]
pub struct Gate {
    threads: usize,
    arrived: AtomicUsize,
}

impl Gate {
    /// Makes a gate that opens when `threads` threads have arrived.
    pub fn for_threads(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
        }
    }

    /// Waits until all threads have arrived.
    pub fn pass(&self) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.arrived.load(Ordering::Acquire) < self.threads {
            spins += 1;
            // With fewer cores than threads, the missing thread needs this core.
            if spins % 64 == 0 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

/// Whether an event has happened. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Flag(Arc<AtomicBool>);

impl Flag {
    /// Records the event.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Returns whether the event has happened.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The number of events. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicUsize>);

impl Count {
    /// Adds one.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number.
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A list of values, in order. Clones share it.
#[derive(Clone, Debug)]
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Log<T> {
    /// Adds a value.
    pub fn push(&self, seen: T) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
    }

    /// Returns all values.
    pub fn all(&self) -> Vec<T> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A value that logs, when it is dropped, the state of a cell.
#[derive(Debug)]
pub struct Remnant {
    cell: StateCell,
    seen: Log<Lifecycle>,
}

impl Remnant {
    /// Makes a value that reads `cell` and writes to `seen`.
    pub fn of(cell: &StateCell, seen: &Log<Lifecycle>) -> Self {
        Self {
            cell: cell.clone(),
            seen: seen.clone(),
        }
    }
}

impl Drop for Remnant {
    fn drop(&mut self) {
        self.seen.push(self.cell.state());
    }
}

/// Panics when it is dropped.
#[derive(Debug)]
pub struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Calls `f` and returns the message of its panic, if it panics.
pub fn panic_message(f: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(f)).err()?;
    let message = payload
        .downcast_ref::<&'static str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned());
    Some(message.unwrap_or_default())
}
