//! Waiting on the user's executor, which may have no timers.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::unwind::ignore_panic;

/// The result of one look at the thing that is waited for.
pub(super) enum Step<T> {
    Done(T),
    /// It is not there, but something has happened: the timeout begins again.
    Progress,
    Idle,
}

/// Why a wait has ended without what was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// Nothing has happened for this long.
    Timeout(Duration),
    /// The budget of the whole sweep is spent.
    Budget(Duration),
}

/// Ends waits in which nothing happens any more, and all of them when the budget is spent.
pub(super) struct Timeout {
    idle: Duration,
    budget: Duration,
    began: Instant,
    alarm: Alarm,
}

impl Timeout {
    /// A wait gives the executor this many turns at once before it leaves time between them. It
    /// also gives this many more when its time is over, because a busy machine may not have polled
    /// anything until then.
    const TURNS: usize = 100;

    /// The time between two turns after that.
    const INTERVAL: Duration = Duration::from_millis(1);

    pub(super) fn new(timeout: Duration, budget: Duration) -> Self {
        Self {
            idle: timeout,
            budget,
            began: Instant::now(),
            alarm: Alarm::new(),
        }
    }

    /// Calls `look` at each turn that the executor gives, until it is done.
    pub(super) async fn wait<T>(
        &self,
        look: impl FnMut(&mut Context<'_>) -> Step<T>,
    ) -> Result<T, Expired> {
        self.wait_for(self.idle, look).await
    }

    /// Gives the executor some turns, and some time to its other threads. Returns early if `look`
    /// is done.
    pub(super) async fn give_turns<T>(
        &self,
        look: impl FnMut(&mut Context<'_>) -> Step<T>,
    ) -> Result<Option<T>, Expired> {
        match self.wait_for(2 * Self::INTERVAL, look).await {
            Ok(done) => Ok(Some(done)),
            Err(Expired::Timeout(_)) => Ok(None),
            Err(budget @ Expired::Budget(_)) => Err(budget),
        }
    }

    /// As [`wait`](Self::wait), with another timeout.
    pub(super) async fn wait_for<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut Context<'_>) -> Step<T>,
    ) -> Result<T, Expired> {
        let out_of_budget = self.began + self.budget;
        let mut deadline = Instant::now() + timeout;
        let (mut turns, mut overtime) = (0, 0);
        let waited = poll_fn(|cx| {
            let step = look(cx);
            let now = Instant::now();
            match step {
                Step::Done(value) => return Poll::Ready(Ok(value)),
                Step::Progress => {
                    deadline = now + timeout;
                    (turns, overtime) = (0, 0);
                }
                Step::Idle => turns += 1,
            }
            if now >= out_of_budget {
                return Poll::Ready(Err(Expired::Budget(self.budget)));
            }
            if now >= deadline {
                overtime += 1;
                if overtime > Self::TURNS {
                    return Poll::Ready(Err(Expired::Timeout(timeout)));
                }
                cx.waker().wake_by_ref();
            } else if turns <= Self::TURNS {
                cx.waker().wake_by_ref();
            } else {
                self.alarm.wake_at(now + Self::INTERVAL, cx.waker());
            }
            Poll::Pending
        })
        .await;
        self.alarm.clear();
        waited
    }
}

/// A thread that wakes a task at a given time.
struct Alarm(Arc<(Mutex<Clock>, Condvar)>);

#[derive(Default)]
struct Clock {
    /// The task to wake, and the time.
    next: Option<(Instant, Waker)>,
    is_over: bool,
}

fn lock(clock: &Mutex<Clock>) -> MutexGuard<'_, Clock> {
    clock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alarm {
    fn new() -> Self {
        let shared = Arc::new((Mutex::<Clock>::default(), Condvar::new()));
        let watched = Arc::clone(&shared);
        thread::spawn(move || {
            let (watched, changed) = &*watched;
            let mut clock = lock(watched);
            while !clock.is_over {
                let Some((at, waker)) = clock.next.take() else {
                    clock = changed.wait(clock).unwrap_or_else(PoisonError::into_inner);
                    continue;
                };
                let left = at.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // Woken outside of the lock, which the task may want.
                    drop(clock);
                    ignore_panic(|| waker.wake());
                    clock = lock(watched);
                } else {
                    clock.next = Some((at, waker));
                    (clock, _) = changed
                        .wait_timeout(clock, left)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        });
        Self(shared)
    }

    fn wake_at(&self, at: Instant, waker: &Waker) {
        let waker = waker.clone();
        self.update(|clock| clock.next.replace((at, waker)));
    }

    fn clear(&self) {
        self.update(|clock| clock.next.take());
    }

    /// Returns nothing, so that a former waker is dropped outside of the lock.
    fn update<T>(&self, f: impl FnOnce(&mut Clock) -> T) {
        let (clock, changed) = &*self.0;
        let _former = f(&mut lock(clock));
        changed.notify_one();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.update(|clock| clock.is_over = true);
    }
}
