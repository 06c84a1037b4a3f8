//! The start as a careful person writes it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cancel_guarded::{CancellationToken, StartError};

const CREATED: u8 = 0;
const STARTING: u8 = 1;
pub(crate) const RUNNING: u8 = 2;
const STOPPING: u8 = 3;
pub(crate) const FAILED: u8 = 4;

/// The state of a service, in an atomic.
#[derive(Default)]
pub(crate) struct Atomic(AtomicU8);

impl Atomic {
    fn compare_and_swap(&self, from: u8, to: u8) -> Result<(), StartError> {
        self.0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(|_| StartError::NotStartable { state: "another" })
    }

    pub(crate) fn begin(&self) -> Result<(), StartError> {
        self.compare_and_swap(CREATED, STARTING)
    }

    pub(crate) fn publish(&self) -> Result<(), StartError> {
        self.compare_and_swap(STARTING, RUNNING)
    }

    pub(crate) fn refuse(&self) -> Result<(), StartError> {
        self.compare_and_swap(STARTING, FAILED)
    }

    pub(crate) fn stop(&self) -> Result<(), StartError> {
        self.compare_and_swap(RUNNING, STOPPING)
    }

    pub(crate) fn store(&self, state: u8) {
        self.0.store(state, Ordering::Release);
    }

    pub(crate) fn load(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// The start as a careful person writes it: check the token, race the body against it, check again,
/// and publish by compare-and-swap. It can still publish after `cancel()` has returned.
pub(crate) async fn careful<T, E>(
    state: &Atomic,
    token: &CancellationToken,
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: From<StartError>,
{
    if token.is_cancelled() {
        state.compare_and_swap(CREATED, FAILED)?;
        return Err(StartError::Cancelled.into());
    }
    state.begin()?;
    let result = tokio::select! {
        biased;
        () = token.cancelled() => Err(StartError::Cancelled.into()),
        result = body => result,
    };
    match result {
        Ok(_) if token.is_cancelled() => {
            state.refuse()?;
            Err(StartError::Cancelled.into())
        }
        Ok(value) => {
            state.publish()?;
            Ok(value)
        }
        Err(error) => {
            state.store(FAILED);
            Err(error)
        }
    }
}

/// Takes a service that has started out of `RUNNING` when the token is cancelled: later than
/// `cancel()` returns, whenever this is polled.
pub(crate) async fn watch(state: Arc<Atomic>, token: CancellationToken) {
    token.cancelled().await;
    // If it is not running any more, somebody else has said what it is.
    let _ = state.stop();
}
