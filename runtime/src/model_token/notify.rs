//! tokio's `sync/notify.rs`: the waiters of a token.
//!
//! Where it differs:
//!
//! - There is no `notify_one`, which the token never calls. So no permit is stored, a notification
//!   has one kind, and `WAITING` says no more than that the list is not empty.
//! - The lists hold counted references to the waiters in place of pointers.
//! - The batches are small under loom, so that a few waiters reach the end of one.
//! - It counts how often the lists are locked. The counter is std's, so that it adds no interleavings.
//! - What a panic leaves is unlinked and dropped after the panic is caught, and not by destructors
//!   while it unwinds. loom would run other threads in the middle of the unwinding.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as StdAtomicUsize;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// How many wakers are taken out of the list before the lock is released and they are woken.
pub(super) const NUM_WAKERS: usize = if cfg!(cancel_guarded_loom) { 2 } else { 32 };

const NOTIFICATION_NONE: usize = 0;
const NOTIFICATION_ALL: usize = 1;

pub(super) struct Notify {
    /// The calls to `notify_waiters` so far. Changed only under the lock of `waiters`.
    num_notify_waiters_calls: AtomicUsize,
    waiters: Mutex<Lists>,
    locks: StdAtomicUsize,
}

#[derive(Default)]
struct Lists {
    /// The registered waiters, the newest first.
    waiting: VecDeque<Arc<Waiter>>,
    /// The list that a call to `notify_waiters` has taken and not finished. A waiter may leave it
    /// meanwhile.
    notifying: VecDeque<Arc<Waiter>>,
}

impl Lists {
    fn remove(&mut self, waiter: &Arc<Waiter>) {
        for list in [&mut self.waiting, &mut self.notifying] {
            list.retain(|other| !Arc::ptr_eq(other, waiter));
        }
    }
}

struct Waiter {
    /// Belongs to the lock of the lists while `notification` is none, to the waiter's future
    /// afterwards. So this lock is never contended, and loom need not know of it.
    waker: StdMutex<Option<Waker>>,
    notification: AtomicUsize,
}

impl Waiter {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            waker: StdMutex::new(None),
            notification: AtomicUsize::new(NOTIFICATION_NONE),
        })
    }

    fn replace_waker(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        mem::replace(&mut slot, waker)
    }

    fn will_wake(&self, waker: &Waker) -> bool {
        let slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    fn is_notified(&self, ordering: Ordering) -> bool {
        self.notification.load(ordering) == NOTIFICATION_ALL
    }
}

impl Notify {
    pub(super) fn new() -> Self {
        Self {
            num_notify_waiters_calls: AtomicUsize::new(0),
            waiters: Mutex::new(Lists::default()),
            locks: StdAtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.locks.fetch_add(1, Ordering::Relaxed);
        self.waiters.lock()
    }

    /// How often the lists of waiters were locked.
    #[cfg(cancel_guarded_loom)]
    pub(super) fn locks(&self) -> usize {
        self.locks.load(Ordering::Relaxed)
    }

    /// Creates a future for the next call to `notify_waiters`, whether or not it is polled before.
    pub(super) fn notified_owned(self: Arc<Self>) -> Notified {
        let notify_waiters_calls = self.num_calls();
        Notified {
            notify: self,
            state: State::Init,
            notify_waiters_calls,
            waiter: Waiter::new(),
        }
    }

    fn num_calls(&self) -> usize {
        self.num_notify_waiters_calls.load(Ordering::Acquire)
    }

    pub(super) fn notify_waiters(&self) {
        let mut waiters = self.lock();
        self.num_notify_waiters_calls.fetch_add(1, Ordering::AcqRel);
        if waiters.waiting.is_empty() {
            return;
        }
        waiters.notifying = mem::take(&mut waiters.waiting);

        let mut wakers = Vec::with_capacity(NUM_WAKERS);
        'outer: loop {
            while wakers.len() < NUM_WAKERS {
                let Some(waiter) = waiters.notifying.pop_back() else {
                    break 'outer;
                };
                wakers.extend(waiter.replace_waker(None));
                waiter
                    .notification
                    .store(NOTIFICATION_ALL, Ordering::Release);
            }
            // The lock is released before the batch is woken. From here to its wake, a waiter may
            // be polled, which completes it, or dropped. It is woken all the same.
            drop(waiters);
            self.wake_all(&mut wakers);
            waiters = self.lock();
        }
        drop(waiters);
        self.wake_all(&mut wakers);
    }

    /// Wakes a batch in order. If a waker panics, the rest of the batch is dropped without being
    /// woken, the later waiters are unlinked without being woken, and the panic goes on.
    fn wake_all(&self, wakers: &mut Vec<Waker>) {
        let mut batch = mem::take(wakers).into_iter();
        let woken = catch_unwind(AssertUnwindSafe(|| batch.by_ref().for_each(Waker::wake)));
        if let Err(panic) = woken {
            drop(batch);
            let mut waiters = self.lock();
            while let Some(waiter) = waiters.notifying.pop_back() {
                waiter
                    .notification
                    .store(NOTIFICATION_ALL, Ordering::Release);
            }
            drop(waiters);
            resume_unwind(panic);
        }
    }
}

/// tokio's `OwnedNotified`.
pub(super) struct Notified {
    notify: Arc<Notify>,
    state: State,
    /// The calls to `notify_waiters` when this future was created.
    notify_waiters_calls: usize,
    waiter: Arc<Waiter>,
}

enum State {
    Init,
    Waiting,
    Done,
}

impl Notified {
    pub(super) fn poll_notified(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self {
            notify,
            state,
            notify_waiters_calls,
            waiter,
        } = self;
        match state {
            State::Init => {
                if notify.num_calls() != *notify_waiters_calls {
                    *state = State::Done;
                    return Poll::Ready(());
                }
                // Cloned before the lock is taken: the clone may be foreign code.
                let waker = cx.waker().clone();
                let mut waiters = notify.lock();
                if notify.num_calls() != *notify_waiters_calls {
                    *state = State::Done;
                    drop(waiters);
                    return Poll::Ready(());
                }
                let old_waker = waiter.replace_waker(Some(waker));
                waiters.waiting.push_front(Arc::clone(waiter));
                *state = State::Waiting;
                drop(waiters);
                drop(old_waker);
                Poll::Pending
            }
            State::Waiting => {
                if waiter.is_notified(Ordering::Acquire) {
                    drop(waiter.replace_waker(None));
                    *state = State::Done;
                    return Poll::Ready(());
                }
                let mut waiters = notify.lock();
                // The lock orders this load.
                if waiter.is_notified(Ordering::Relaxed) {
                    let old_waker = waiter.replace_waker(None);
                    drop(waiters);
                    drop(old_waker);
                    *state = State::Done;
                    return Poll::Ready(());
                }
                if notify.num_calls() == *notify_waiters_calls {
                    let old_waker = if waiter.will_wake(cx.waker()) {
                        None
                    } else {
                        waiter.replace_waker(Some(cx.waker().clone()))
                    };
                    drop(waiters);
                    drop(old_waker);
                    return Poll::Pending;
                }
                // `notify_waiters` has taken the list and not come to this waiter. It counts as
                // notified, and leaves the list: it is never woken.
                let old_waker = waiter.replace_waker(None);
                waiters.remove(waiter);
                *state = State::Done;
                drop(waiters);
                drop(old_waker);
                Poll::Ready(())
            }
            State::Done => Poll::Ready(()),
        }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        if matches!(self.state, State::Waiting) {
            self.notify.lock().remove(&self.waiter);
        }
    }
}
