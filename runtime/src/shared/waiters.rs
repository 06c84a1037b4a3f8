//! The tasks that wait for the cell, and the event that each waits for.

use std::task::Waker;

use super::slots::Slots;
use super::state::{AttemptId, Transition};
use crate::failure::Failure;
use crate::lifecycle::State;

#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitFor {
    /// The attempt publishes, or ends without.
    Running(AttemptId),
    /// The attempt publishes, or is told to end. For its own parts, which its end waits for.
    Published(AttemptId),
    /// The attempt ends.
    Ended(AttemptId),
    /// The state changes.
    Change,
    /// The service is asked to stop, with the latch.
    StopRequest,
}

/// The result of a wait.
#[derive(Clone, Debug)]
pub(crate) enum WaitResult {
    Published,
    /// The attempt has ended, or, for [`WaitFor::Published`], will not publish.
    Ended(Option<Failure>),
    Changed,
}

struct Waiter {
    wait_for: WaitFor,
    result: Option<WaitResult>,
    task: Option<Waker>,
}

#[derive(Default)]
pub(crate) struct Waiters(Slots<Waiter>);

impl Waiters {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn wait_for_a_change(&self) -> bool {
        let waits = |waiter: &Waiter| matches!(waiter.wait_for, WaitFor::Change);
        self.0.any(waits)
    }

    #[inline]
    pub(crate) fn add(&mut self, wait_for: WaitFor) -> usize {
        self.0.insert(Waiter {
            wait_for,
            result: None,
            task: None,
        })
    }

    /// The result for a waiter, which is removed. Without one, the waker of its task is stored, and
    /// the one before it is left in `task`. Drop what is left after unlock.
    #[inline]
    pub(crate) fn poll(&mut self, key: usize, task: &mut Option<Waker>) -> Option<WaitResult> {
        let waiter = self.0.get_mut(key)?;
        if waiter.result.is_none() {
            std::mem::swap(&mut waiter.task, task);
            return None;
        }
        self.0.remove(key)?.result
    }

    /// Removes a waiter. Returns its waker, to be dropped after unlock.
    #[inline]
    pub(crate) fn remove(&mut self, key: usize) -> Option<Waker> {
        self.0.remove(key)?.task
    }

    /// Resolves the waiters that `transition` satisfies, and hands their wakers to `wake`.
    #[inline]
    pub(crate) fn resolve<S: State>(
        &mut self,
        transition: &Transition<S>,
        failure: Option<&Failure>,
        mut wake: impl FnMut(Waker),
    ) {
        let id = transition.new.attempt();
        let published = transition.publishes();
        let told_to_end = transition.tells_to_end() && !transition.new.is_published();
        let ended = transition.ends_attempt();
        let changed = transition.changes_state();
        let stop_requested = transition.requests_stop();
        let result_for = |wait_for| match wait_for {
            WaitFor::Running(n) | WaitFor::Published(n) if n == id && published => {
                Some(WaitResult::Published)
            }
            WaitFor::Published(n) if n == id && told_to_end => {
                Some(WaitResult::Ended(failure.cloned()))
            }
            WaitFor::Running(n) | WaitFor::Published(n) | WaitFor::Ended(n) if n == id && ended => {
                Some(WaitResult::Ended(failure.cloned()))
            }
            WaitFor::Change if changed => Some(WaitResult::Changed),
            WaitFor::StopRequest if stop_requested => Some(WaitResult::Changed),
            _ => None,
        };
        self.0.for_each_mut(|_, waiter| {
            if waiter.result.is_some() {
                return;
            }
            if let Some(result) = result_for(waiter.wait_for) {
                waiter.result = Some(result);
                if let Some(task) = waiter.task.take() {
                    wake(task);
                }
            }
        });
    }
}
