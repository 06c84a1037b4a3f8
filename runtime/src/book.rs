//! What a cell knows besides its word, behind its lock: what ties the attempt to its token, the
//! cause of a failure, whom to wake, and what is served.
//!
//! A change of the word is made *and* entered here under the lock, so that both speak of the same
//! attempt, unless nobody has to hear of it (invariant 8 of the [word](crate::word)). Nothing
//! foreign runs under the lock, but for the `index` and the `name` of a [`State`]: what is to be
//! woken, cancelled or dropped leaves as an [`Aftermath`] and is dealt with outside. Tokens may be
//! asked, cloned and waited for: `cancel()` holds none of tokio-util's locks while it wakes the
//! hook, which takes this one.

use std::any::Any;
use std::collections::BTreeMap;
use std::task::Waker;

use crate::error::NotRunning;
use crate::failure::Failure;
use crate::panics::quietly;
use crate::state::State;
use crate::sync::CancellationToken;
use crate::tether::Tether;
use crate::word::{Change, Number, Snapshot};

#[derive(Default)]
pub(crate) struct Book {
    /// The task that polls the body, to be woken when the attempt is told to end.
    pub(crate) task: Option<Waker>,
    /// What ties the attempt under way to its token.
    pub(crate) tether: Option<Tether>,
    /// What many cells never need: those who take part in the attempt or wait for it, and why it
    /// failed.
    appendix: Option<Box<Appendix>>,
}

#[derive(Default)]
pub(crate) struct Appendix {
    /// Why the last attempt failed, unless it was `CANCELLED`: that stands in the word.
    pub(crate) failure: Option<Failure>,
    /// How many served futures of this attempt are not gone yet.
    served: usize,
    /// The token that the body of the last attempt saw.
    #[cfg(feature = "testing")]
    pub(crate) body_token: Option<CancellationToken>,
    waiters: BTreeMap<u64, Waiter>,
    next_waiter: u64,
}

/// What a waiter waits for.
#[derive(Clone, Copy)]
pub(crate) enum WaitsFor {
    /// Attempt `n` to publish, or to end without.
    Running(Number),
    /// Attempt `n` to end.
    Ended(Number),
    /// The next change of state.
    Change,
}

struct Waiter {
    waits_for: WaitsFor,
    verdict: Option<Verdict>,
    waker: Option<Waker>,
    future: Option<Unpolled>,
}

/// A boxed future that is to serve: here until its task takes it out when the start has published,
/// or whoever refuses the start does.
pub(crate) type Unpolled = Box<dyn Any + Send>;

/// What a waiter waited for has come, or will not.
pub(crate) type Verdict = Result<(), NotRunning>;

/// What is to be done after a change, outside of the lock.
#[derive(Default)]
#[must_use = "nobody hears of the change until this is carried out"]
pub(crate) struct Aftermath {
    /// The task that polls the body, if it is to be woken.
    task: Option<Waker>,
    waiters: Vec<Waker>,
    /// Wakes nobody any more, but its drop is foreign code too.
    retired: Option<Waker>,
    tether: Option<Tether>,
    /// The attempt's own token, if the change tells it to end.
    token: Option<CancellationToken>,
    #[cfg(feature = "tracing")]
    event: Option<crate::trace::Event>,
}

impl Aftermath {
    /// The same, and the world is told of it.
    #[cfg(feature = "tracing")]
    pub(crate) fn telling(mut self, event: crate::trace::Event) -> Self {
        self.event = Some(event);
        self
    }

    /// The same, and `token` is cancelled before anyone is woken.
    pub(crate) fn cancelling(mut self, token: CancellationToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Cancels, drops and wakes. One panicking waker keeps none of the others asleep, and no
    /// panic leaves: this may run inside a foreign `cancel()` or `drop`.
    pub(crate) fn carry_out(self) {
        if let Some(tether) = self.tether {
            if let Some(token) = tether.own_token() {
                quietly(|| token.cancel());
            }
        }
        #[cfg(feature = "tracing")]
        if let Some(event) = self.event {
            quietly(|| event.emit());
        }
        // Behind the event: what this brings about is to be told after it.
        if let Some(token) = self.token {
            quietly(|| token.cancel());
        }
        for waker in self.task.into_iter().chain(self.waiters) {
            quietly(|| waker.wake());
        }
        if let Some(waker) = self.retired {
            quietly(|| drop(waker));
        }
    }
}

impl Book {
    /// The part that is made when it is first needed.
    pub(crate) fn appendix(&mut self) -> &mut Appendix {
        self.appendix.get_or_insert_default()
    }

    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.tether.as_ref().and_then(|tether| tether.own_token())
    }

    /// So many served futures of this attempt are gone. Whether none is left.
    pub(crate) fn lose_served(&mut self, gone: usize) -> bool {
        self.appendix.as_mut().is_none_or(|rest| {
            rest.served = rest.served.saturating_sub(gone);
            rest.served == 0
        })
    }

    /// The futures that were to serve attempt `number`, which is not published. To be dropped
    /// outside of the lock.
    pub(crate) fn take_unpolled(&mut self, number: Number) -> Vec<Unpolled> {
        let waiters = self.appendix.iter_mut();
        let waiters = waiters.flat_map(|rest| rest.waiters.values_mut());
        // One of an earlier attempt may have published, and not have had its turn yet.
        let is_of_it =
            |waiter: &&mut Waiter| matches!(waiter.waits_for, WaitsFor::Running(n) if n == number);
        let waiters = waiters.filter(is_of_it);
        waiters.filter_map(|waiter| waiter.future.take()).collect()
    }

    /// Whether futures of the attempt are served.
    #[cfg(all(feature = "testing", not(cancel_guarded_loom)))]
    pub(crate) fn has_served(&self) -> bool {
        self.appendix.as_ref().is_some_and(|rest| rest.served > 0)
    }

    /// The token that the body of the last attempt saw.
    #[cfg(all(feature = "testing", not(cancel_guarded_loom)))]
    pub(crate) fn body_token(&self) -> Option<CancellationToken> {
        let appendix = self.appendix.as_ref();
        appendix.and_then(|rest| rest.body_token.clone())
    }

    /// The failure of the last attempt, as far as it has one by `word`.
    pub(crate) fn failure<S: State>(&self, word: Snapshot<S>) -> Option<Failure> {
        if word.is_cancelled() {
            Some(Failure::cancelled())
        } else {
            self.appendix.as_ref().and_then(|rest| rest.failure.clone())
        }
    }

    /// Forgets the former attempt. The caller enters the change that begins the next one.
    #[inline]
    pub(crate) fn turn_the_page(&mut self) {
        if let Some(rest) = &mut self.appendix {
            rest.failure = None;
            rest.served = 0;
        }
    }

    /// Enters what `change` means for the attempt and for those who wait.
    pub(crate) fn enter<S: State>(&mut self, change: &Change<S>) -> Aftermath {
        let Change { old, new } = *change;
        let mut aftermath = Aftermath::default();
        if new.is_told_to_end() && !old.is_told_to_end() {
            aftermath.task = self.task.take();
        }
        if change.ends() {
            aftermath.tether = self.tether.take();
        }
        if new.is_published() && !old.is_published() || old.has_body() && !new.has_body() {
            aftermath.retired = self.task.take();
        }
        if self
            .appendix
            .as_ref()
            .is_some_and(|rest| !rest.waiters.is_empty())
        {
            aftermath.waiters = self.judge(change);
        }
        aftermath
    }

    /// Tells those whom `change` concerns. The answer is whom to wake.
    fn judge<S: State>(&mut self, change: &Change<S>) -> Vec<Waker> {
        let Change { old, new } = *change;
        let (number, ended) = (new.number(), change.ends());
        let moved = new.state() != old.state();
        // The service was stopped before any attempt: that is what became of the next one.
        let failure = self.failure(new).unwrap_or_else(Failure::cancelled);
        let mut wakers = Vec::new();
        for waiter in self.appendix().waiters.values_mut() {
            let verdict = match waiter.waits_for {
                WaitsFor::Running(n) if n == number && new.is_published() => Some(Ok(())),
                WaitsFor::Running(n) if n == number && ended => {
                    Some(Err(NotRunning::new(failure.clone())))
                }
                WaitsFor::Ended(n) if n == number && ended => Some(Ok(())),
                WaitsFor::Change if moved => Some(Ok(())),
                _ => None,
            };
            if verdict.is_some() && waiter.verdict.is_none() {
                waiter.verdict = verdict;
                wakers.extend(waiter.waker.take());
            }
        }
        wakers
    }
}

impl Appendix {
    /// Someone begins to wait.
    pub(crate) fn add_waiter(&mut self, waits_for: WaitsFor, verdict: Option<Verdict>) -> u64 {
        let key = self.next_waiter;
        self.next_waiter += 1;
        let waiter = Waiter {
            waits_for,
            verdict,
            waker: None,
            future: None,
        };
        self.waiters.insert(key, waiter);
        key
    }

    /// A served future joins the attempt. It stays with waiter `key` until that takes it out.
    pub(crate) fn add_served(&mut self, key: u64, future: Unpolled) {
        self.served += 1;
        if let Some(waiter) = self.waiters.get_mut(&key) {
            waiter.future = Some(future);
        }
    }

    /// The future that waiter `key` has brought, if nobody has taken it out.
    pub(crate) fn take_served(&mut self, key: u64) -> Option<Unpolled> {
        self.waiters.get_mut(&key)?.future.take()
    }

    /// The verdict for waiter `key`, or `waker` stays with it. What is to be dropped comes back
    /// with the answer.
    pub(crate) fn poll_waiter(
        &mut self,
        key: u64,
        waker: Waker,
    ) -> (Option<Verdict>, Option<Waker>) {
        match self.waiters.get_mut(&key) {
            Some(waiter) => match waiter.verdict.take() {
                Some(verdict) => (Some(verdict), Some(waker)),
                None => (None, waiter.waker.replace(waker)),
            },
            None => (None, Some(waker)),
        }
    }

    /// Waiter `key` waits no longer. The answer is to be dropped outside of the lock.
    pub(crate) fn remove_waiter(&mut self, key: u64) -> Option<Waker> {
        self.waiters.remove(&key).and_then(|waiter| waiter.waker)
    }
}
