//! The seam between the primitives that run and the ones that loom explores.
//!
//! Everything that two threads share goes through here. Reference counts stay std's: loom has
//! no `Weak`, and no guarantee of ours rests on the order of two counts.

#[cfg(not(cancel_guarded_loom))]
pub(crate) use std::sync::{MutexGuard, atomic::AtomicU64};

#[cfg(cancel_guarded_loom)]
pub(crate) use loom::sync::{MutexGuard, atomic::AtomicU64};

pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(cancel_guarded_loom))]
use std::sync::Mutex as Inner;

#[cfg(cancel_guarded_loom)]
use loom::sync::Mutex as Inner;

/// A mutex that has no poison, because no foreign code ever runs under it: wakers are cloned,
/// woken and dropped, tokens cancelled and futures dropped outside of every lock.
#[derive(Debug)]
pub(crate) struct Mutex<T>(Inner<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
