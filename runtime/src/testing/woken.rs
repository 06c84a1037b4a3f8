//! A future that is polled only when it was woken, whoever else wakes the task that it is in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// Polls at first, and then once for each time that it was woken.
pub(super) struct WhenWoken(Arc<Wakes>);

struct Wakes {
    is_woken: AtomicBool,
    /// Where the future is polled.
    task: Mutex<Waker>,
}

impl Default for WhenWoken {
    fn default() -> Self {
        Self(Arc::new(Wakes {
            is_woken: AtomicBool::new(true),
            task: Mutex::new(Waker::noop().clone()),
        }))
    }
}

impl WhenWoken {
    /// What `poll` says, or `None` if there is no reason to ask.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> Option<T> {
        // The task first, then the look: who wakes after the look finds the task.
        let _former = self.0.replace_task(cx.waker().clone());
        let is_woken = self.0.is_woken.swap(false, Ordering::AcqRel);
        let waker = Waker::from(Arc::clone(&self.0));
        is_woken.then(|| poll(&mut Context::from_waker(&waker)))
    }
}

impl Wakes {
    fn replace_task(&self, task: Waker) -> Waker {
        let mut current = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, task)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.replace_task(Waker::noop().clone()).wake();
    }
}
