//! How a `run` that hands its work down says that it is up.

use std::fmt;

use crate::lifecycle::{Lifecycle, State};
use crate::shared::{AttemptId, Handle, Snapshot};

/// Publishes the `run` that is under way: says that the service is up, from whatever task knows it.
/// Made by [`StateCell::publisher`](crate::StateCell::publisher).
#[must_use = "the service is not published until `publish` is called"]
pub struct Publisher<S: State = Lifecycle> {
    handle: Handle<S>,
    attempt: Option<AttemptId>,
}

impl<S: State> Publisher<S> {
    pub(crate) fn new(handle: &Handle<S>) -> Self {
        let word = handle.load();
        Self {
            handle: handle.clone(),
            attempt: (!word.is_idle()).then(|| word.attempt()),
        }
    }

    /// Publishes the service, as `store(RUNNING)` in the body of a `run` does.
    ///
    /// `true` if the attempt is published, by this call or before, and was not told to stop. `false`
    /// also once the body has ended, and if the attempt is a start, which publishes when its body has
    /// returned.
    pub fn publish(&self) -> bool {
        let Some(id) = self.attempt else {
            return false;
        };
        let word = match self.handle.publish(|word| word.publish(id)) {
            Ok(word) | Err(word) => word,
        };
        Self::is_published(word, id)
    }

    fn is_published(word: Snapshot<S>, id: AttemptId) -> bool {
        let is_run_of_attempt = word.attempt() == id && word.is_run() && word.has_body();
        is_run_of_attempt && word.is_published() && !word.is_told_to_end()
    }
}

impl<S: State> Clone for Publisher<S> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            attempt: self.attempt,
        }
    }
}

impl<S: State> fmt::Debug for Publisher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("service", &self.handle.name())
            .field("attempt", &self.attempt)
            .finish()
    }
}
