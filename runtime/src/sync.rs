//! The seam between the primitives that run and the ones that loom explores.
//!
//! Everything that two threads share goes through here. `Arc` stays std's: loom's has no `Weak`
//! and makes no `Waker`, and no guarantee of ours rests on the order of two counts.

#[cfg(not(cancel_guarded_loom))]
mod primitives {
    pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard};

    pub(crate) use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
}

#[cfg(cancel_guarded_loom)]
mod primitives {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) use crate::model_token::{CancellationToken, WaitForCancellationFutureOwned};
}

pub(crate) use std::sync::atomic::Ordering;

pub(crate) use primitives::{
    AtomicU64, AtomicUsize, CancellationToken, MutexGuard, WaitForCancellationFutureOwned,
};

/// A mutex that has no poison, because what runs under it does not panic: wakers are cloned, woken
/// and dropped, tokens cancelled and futures dropped outside of every lock. What is left of foreign
/// code, the `index` and the `name` of a state, must not.
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
