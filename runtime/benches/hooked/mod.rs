//! The least that moves a state inside of `cancel()`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Wake, Waker};

use cancel_guarded::{CancellationToken, StartError};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::by_hand::Atomic;

/// A state, and the hook that moves it: no failures, no restarts, no waiters, no parts,
/// and a start that is dropped stays where it is.
#[derive(Default)]
pub(crate) struct Hooked {
    pub(crate) state: Atomic,
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    wait: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    task: Option<Waker>,
}

impl Hooked {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().expect("nothing panics under it")
    }

    /// Ties the state to `token`, and begins.
    pub(crate) fn begin(self: &Arc<Self>, token: &CancellationToken) -> Result<(), StartError> {
        let mut wait = Box::pin(token.clone().cancelled_owned());
        let hook = Waker::from(Arc::clone(self));
        self.state.begin()?;
        let is_cancelled = wait
            .as_mut()
            .poll(&mut Context::from_waker(&hook))
            .is_ready();
        if is_cancelled {
            let _ = self.state.refuse();
            return Err(StartError::Cancelled);
        }
        self.parts().wait = Some(wait);
        Ok(())
    }

    /// Publishes, unless the token is cancelled.
    pub(crate) fn publish(&self, token: &CancellationToken) -> Result<(), StartError> {
        if token.is_cancelled() {
            let _ = self.state.refuse();
        }
        self.state.publish()
    }

    /// Stores the task to wake when the start is refused.
    #[allow(dead_code, reason = "not every bench has starts that wait")]
    pub(crate) fn wake_when_refused(&self, task: &Waker) {
        self.parts().task = Some(task.clone());
    }
}

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        if self.state.refuse().is_err() {
            let _ = self.state.stop();
            return;
        }
        let task = self.parts().task.take();
        if let Some(task) = task {
            task.wake();
        }
    }
}
