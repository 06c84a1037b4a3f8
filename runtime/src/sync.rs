//! The primitives that threads share: std's and tokio-util's, or loom's in the models.
//!
//! `Arc` is always std's: loom's makes no `Waker`, and nothing here depends on the order of two
//! reference counts.

#[cfg(not(all(test, cancel_guarded_loom)))]
mod primitives {
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
}

#[cfg(all(test, cancel_guarded_loom))]
mod primitives {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) use crate::model_token::{CancellationToken, WaitForCancellationFutureOwned};
}

pub(crate) use std::sync::atomic::Ordering;

pub(crate) use primitives::{
    AtomicU64, AtomicUsize, CancellationToken, MutexGuard, WaitForCancellationFutureOwned,
};

/// A mutex without poisoning, because no user code runs while it is locked: wakers are woken and
/// dropped, tokens cancelled and futures dropped after unlock. The exceptions are `index` and
/// `name` of a [`State`](crate::State), which must not panic.
#[derive(Debug)]
pub(crate) struct Mutex<T>(primitives::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(primitives::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
