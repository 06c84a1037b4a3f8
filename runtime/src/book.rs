//! What a cell knows besides its word, behind its lock: the cause of a failure, whom to wake,
//! what is served, and what ties the attempt to its token.
//!
//! Nothing foreign runs under the lock, but for the constants and the `index` of a [`State`].
//! What is to be woken, cancelled or dropped leaves as an [`Aftermath`] and is dealt with
//! outside. Tokens may be cloned under it: `cancel()` holds none of tokio-util's locks while it
//! wakes the hook, which takes this one.
//!
//! Every change of the word but one is made *and* entered here under the lock. The one is the
//! hook's, which must not wait before its CAS.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Weak;
use std::task::Waker;

use crate::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::error::NotRunning;
use crate::failure::Failure;
use crate::panics::quietly;
use crate::serve::Revoke;
use crate::state::State;
use crate::word::{Change, Number, Snapshot};

#[derive(Default)]
pub(crate) struct Book {
    /// What the cell is known by.
    pub(crate) name: Option<&'static str>,
    /// Why the last attempt failed, unless it was `CANCELLED`: that stands in the word.
    pub(crate) failure: Option<Failure>,
    /// The task that polls the body, to be woken when the attempt is told to end.
    pub(crate) task: Option<Waker>,
    /// What ties the attempt under way to its token.
    pub(crate) tether: Tether,
    /// The futures handed to `serve` before publication, to be dropped if there is none.
    pub(crate) unpublished: Vec<Weak<dyn Revoke>>,
    /// How many served futures of this attempt are not gone yet.
    pub(crate) served: usize,
    #[cfg(feature = "testing")]
    pub(crate) has_begun: bool,
    /// The token that the body of the last attempt saw.
    #[cfg(feature = "testing")]
    pub(crate) body_token: Option<CancellationToken>,
    waiters: BTreeMap<u64, Waiter>,
    next_waiter: u64,
}

/// What ties an attempt to its token. The cell holds it until the attempt has ended, so that a
/// cancellation moves the cell for as long as the service lives.
#[derive(Default)]
pub(crate) struct Tether {
    /// Keeps the hook registered with the token.
    pub(crate) wait: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// The token that carries the hook.
    pub(crate) token: Option<CancellationToken>,
    /// Whether it is the attempt's own, which the body sees: then it ends with the attempt.
    pub(crate) is_own: bool,
}

impl Tether {
    /// The attempt's own token, if it has one.
    pub(crate) fn own_token(&self) -> Option<&CancellationToken> {
        self.token.as_ref().filter(|_| self.is_own)
    }
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
}

/// What a waiter waited for has come, or will not.
pub(crate) type Verdict = Result<(), NotRunning>;

/// What is to be done after a change, outside of the lock.
#[derive(Default)]
#[must_use = "nobody hears of the change until this is carried out"]
pub(crate) struct Aftermath {
    wakers: Vec<Waker>,
    /// Wakes nobody any more, but its drop is foreign code too.
    retired: Option<Waker>,
    tether: Tether,
    #[cfg(feature = "tracing")]
    event: Option<crate::trace::Event>,
}

impl Aftermath {
    /// Cancels, drops and wakes. One panicking waker keeps none of the others asleep, and no
    /// panic leaves: this may run inside a foreign `cancel()` or `drop`.
    pub(crate) fn carry_out(self) {
        #[cfg(feature = "tracing")]
        if let Some(event) = self.event {
            quietly(|| event.emit());
        }
        if let Some(token) = self.tether.own_token() {
            quietly(|| token.cancel());
        }
        drop(self.tether.wait);
        for waker in self.wakers {
            quietly(|| waker.wake());
        }
        quietly(|| drop(self.retired));
    }
}

impl Book {
    /// The book of a cell that is known by this name.
    pub(crate) fn of(name: Option<&'static str>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// The failure of the last attempt, as far as it has one by `word`.
    pub(crate) fn failure<S: State>(&self, word: Snapshot<S>) -> Option<Failure> {
        if word.is_cancelled() {
            Some(Failure::cancelled())
        } else {
            self.failure.clone()
        }
    }

    /// Forgets the former attempt. The caller enters the change that begins the next one.
    pub(crate) fn turn_the_page(&mut self) {
        self.failure = None;
        self.unpublished = Vec::new();
        self.served = 0;
    }

    /// Enters what `change` means for those who wait.
    pub(crate) fn enter<S: State>(&mut self, change: &Change<S>) -> Aftermath {
        let Change { old, new } = *change;
        let number = new.number();
        let mut aftermath = Aftermath::default();
        #[cfg(feature = "tracing")]
        {
            aftermath.event = crate::trace::Event::of(self.name, change, self.failure(new));
        }

        if new.is_told_to_end() && !old.is_told_to_end() {
            aftermath.wakers.extend(self.task.take());
        }
        let ended = new.is_at_rest() && (!old.is_at_rest() || number != old.number());
        if ended {
            aftermath.tether = std::mem::take(&mut self.tether);
        }
        if old.has_body() && !new.has_body() {
            aftermath.retired = self.task.take();
            self.unpublished = Vec::new();
        }

        if !self.waiters.is_empty() {
            let moved = new.state() != old.state();
            // The service was stopped before any attempt: that is what became of the next one.
            let failure = self.failure(new).unwrap_or_else(Failure::cancelled);
            for waiter in self.waiters.values_mut() {
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
                    aftermath.wakers.extend(waiter.waker.take());
                }
            }
        }
        aftermath
    }

    /// Someone begins to wait.
    pub(crate) fn add_waiter(&mut self, waits_for: WaitsFor, verdict: Option<Verdict>) -> u64 {
        let key = self.next_waiter;
        self.next_waiter += 1;
        let waiter = Waiter {
            waits_for,
            verdict,
            waker: None,
        };
        self.waiters.insert(key, waiter);
        key
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
