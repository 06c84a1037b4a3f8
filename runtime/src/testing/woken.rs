//! A future that is polled only when it was woken, whatever else wakes the task that it is in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// Polls first without a wake, and then once for each time that the future was woken.
pub(super) struct PollIfWoken(Arc<Wakes>);

struct Wakes {
    is_woken: AtomicBool,
    /// The task that polls the future.
    task: Mutex<Waker>,
}

impl Default for PollIfWoken {
    fn default() -> Self {
        Self(Arc::new(Wakes {
            is_woken: AtomicBool::new(true),
            task: Mutex::new(Waker::noop().clone()),
        }))
    }
}

impl PollIfWoken {
    /// Whether the next [`poll`](Self::poll) calls its argument. Until then, the future wakes the
    /// task of `cx`.
    pub(super) fn is_woken(&self, cx: &Context<'_>) -> bool {
        let _former = self.0.replace_task(cx.waker().clone());
        self.0.is_woken.load(Ordering::Acquire)
    }

    /// Returns what `poll` returns, or `None` if the future was not woken.
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> Option<T> {
        // The task is stored before the flag is read: a wake after that finds the task.
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
