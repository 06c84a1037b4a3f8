//! Keeps panics of user code from leaving our own work half done.
//!
//! Wakers, destructors and `Display` belong to the user. A panic of theirs is caught, the work is
//! finished, and the first panic is resumed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::failure::Failure;

/// The first panic that was caught while an attempt was torn down.
#[derive(Default)]
#[must_use = "a caught panic has to be resumed or discarded"]
pub(crate) struct CaughtPanic(Option<Box<dyn Any + Send>>);

impl CaughtPanic {
    /// Runs `f` and keeps its panic, unless one is kept already. The panic hook has reported both.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match self.0 {
                None => self.0 = Some(payload),
                Some(_) => ignore_panic(|| drop(payload)),
            }
        }
    }

    /// The failure that the caught panic stands for.
    #[inline]
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.0.as_deref().map(Failure::panicked)
    }

    /// Resumes the panic, unless the thread is unwinding already: a second panic would abort.
    #[inline]
    pub(crate) fn resume(self) {
        self.resume_or(());
    }

    /// Returns `value`, or drops it and resumes the panic.
    #[inline]
    pub(crate) fn resume_or<T>(self, value: T) -> T {
        match self.0 {
            None => value,
            Some(payload) if std::thread::panicking() => {
                ignore_panic(|| drop(payload));
                value
            }
            Some(payload) => {
                ignore_panic(|| drop(value));
                resume_unwind(payload)
            }
        }
    }

    /// Forgets the panic, because another one is resumed in its place.
    pub(crate) fn discard(self) {
        ignore_panic(|| drop(self));
    }
}

/// The waker that a task was polled with last. Its drop, which may panic, stays in here.
pub(crate) struct TaskWaker(Option<Waker>);

impl TaskWaker {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    #[inline]
    pub(crate) fn new(waker: &Waker) -> Self {
        Self(Some(waker.clone()))
    }

    /// Remembers `waker`. `true` if it is another one than before.
    #[inline]
    pub(crate) fn replace(&mut self, waker: &Waker) -> bool {
        if self.0.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return false;
        }
        *self = Self::new(waker);
        true
    }
}

impl Drop for TaskWaker {
    #[inline]
    fn drop(&mut self) {
        // Most starts never wait, so this check is inlined without the rest.
        if self.0.is_some() {
            drop_waker(self.0.take());
        }
    }
}

/// Drops a waker, if there is one, and ignores its panic.
#[inline]
pub(crate) fn drop_waker(waker: Option<Waker>) {
    if let Some(waker) = waker {
        ignore_panic(|| drop(waker));
    }
}

/// Runs `f` and ignores its panic.
///
/// The payload of a panic may panic when it is dropped. The payload of that second panic is leaked.
pub(crate) fn ignore_panic(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
