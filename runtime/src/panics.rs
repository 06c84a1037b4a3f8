//! Foreign code that must not keep us from finishing: its panics are caught, and the first one
//! goes on once everything is in order.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The first panic caught while something was taken down.
#[derive(Default)]
#[must_use = "a caught panic is to be resumed"]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Runs `f`, and keeps its panic for later. Later panics than the first are lost, as the
    /// panic hook has shown them already.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match self.0 {
                None => self.0 = Some(payload),
                Some(_) => quietly(|| drop(payload)),
            }
        }
    }

    /// Lets the first panic go on, unless one is going on already (a second would abort).
    #[inline]
    pub(crate) fn resume(self) {
        self.resume_over(());
    }

    /// The same, while there is a `value` to return: it is lost if a panic goes on.
    #[inline]
    pub(crate) fn resume_over<T>(self, value: T) -> T {
        match self.0 {
            None => value,
            Some(payload) if std::thread::panicking() => {
                quietly(|| drop(payload));
                value
            }
            Some(payload) => {
                quietly(|| drop(value));
                resume_unwind(payload)
            }
        }
    }

    /// Another panic goes on in place of what was caught.
    pub(crate) fn lose(self) {
        quietly(|| drop(self));
    }
}

/// Runs `f` and lets no panic out of it.
///
/// What was panicked with may panic in its turn when it is dropped; what comes of that is leaked.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
    }
}
