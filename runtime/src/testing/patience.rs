//! Waiting on an executor that is the user's and may have no timers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::panics::quietly;

/// Waits for things to come, and not for ever.
pub(super) struct Patience {
    time: Duration,
    watchdog: Watchdog,
}

impl Patience {
    /// After this time the clock alone does not decide: on a machine that was busy elsewhere, what
    /// waits may not have been polled at all. So it is, this many times more.
    const OVERTIME: usize = 100;

    pub(super) fn of(time: Duration) -> Self {
        Self {
            time,
            watchdog: Watchdog::new(),
        }
    }

    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// The output of `future`, or `None` if it has not come in time.
    pub(super) async fn wait<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        let deadline = Instant::now() + self.time;
        let mut overtime = 0;
        let output = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if Instant::now() < deadline {
                self.watchdog.wake_at(deadline, cx.waker());
                return Poll::Pending;
            }
            if overtime == Self::OVERTIME {
                return Poll::Ready(None);
            }
            overtime += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        self.watchdog.sleep();
        output
    }

    /// Whether `condition` comes to hold in time. Nobody wakes us when it does, so we look at each
    /// turn that the executor gives us.
    pub(super) async fn comes(&self, mut condition: impl FnMut() -> bool) -> bool {
        let holds = poll_fn(|cx| {
            if condition() {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        self.wait(std::pin::pin!(holds)).await.is_some()
    }
}

/// A thread that wakes a task at a given time.
struct Watchdog(Arc<(Mutex<Watch>, Condvar)>);

#[derive(Default)]
struct Watch {
    /// Whom to wake, and when.
    next: Option<(Instant, Waker)>,
    is_over: bool,
}

fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watchdog {
    fn new() -> Self {
        let shared = Arc::new((Mutex::<Watch>::default(), Condvar::new()));
        let watched = Arc::clone(&shared);
        thread::spawn(move || {
            let (watched, changed) = &*watched;
            let mut watch = lock(watched);
            while !watch.is_over {
                let Some((at, waker)) = watch.next.take() else {
                    watch = changed.wait(watch).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // Woken outside of the lock, which what is woken may want.
                    drop(watch);
                    quietly(|| waker.wake());
                    watch = lock(watched);
                } else {
                    watch.next = Some((at, waker));
                    (watch, _) = changed
                        .wait_timeout(watch, left)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        });
        Self(shared)
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        let waker = waker.clone();
        self.update(|watch| watch.next.replace((at, waker)));
    }

    fn sleep(&self) {
        self.update(|watch| watch.next.take());
    }

    /// What is replaced is dropped outside of the lock: wakers are foreign code.
    fn update<T>(&self, f: impl FnOnce(&mut Watch) -> T) {
        let (watch, changed) = &*self.0;
        let _replaced = f(&mut lock(watch));
        changed.notify_one();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.update(|watch| watch.is_over = true);
    }
}
