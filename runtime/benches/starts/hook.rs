//! The least that a start takes which moves its state inside of `cancel()`.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use cancel_guarded::{CancellationToken, StartError};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::by_hand::borrowed;
use super::{Contestant, come_up};
use crate::by_hand::{Atomic, RUNNING};

/// A state, and the hook that moves it: no failures, no restarts, no one who waits, nothing that is
/// served or taken back, and a start that is dropped stays where it is.
#[derive(Default)]
pub(crate) struct Hooked {
    state: Atomic,
    wait: Mutex<Option<Pin<Box<WaitForCancellationFutureOwned>>>>,
}

impl Hooked {
    fn keep(&self, wait: Option<Pin<Box<WaitForCancellationFutureOwned>>>) {
        let mut kept = self.wait.lock().expect("nothing panics under it");
        let former = std::mem::replace(&mut *kept, wait);
        drop(kept);
        drop(former);
    }
}

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        if self.state.refuse().is_err() {
            let _ = self.state.stop();
        }
        self.keep(None);
    }
}

pub(crate) struct HookAlone;

impl Contestant for HookAlone {
    const NAME: &'static str = "the hook alone";
    type Service = Arc<Hooked>;

    fn service() -> Arc<Hooked> {
        Arc::default()
    }

    async fn start(
        service: &Arc<Hooked>,
        token: &mut Option<CancellationToken>,
    ) -> Result<(), StartError> {
        let token = borrowed(token);
        let mut wait = Box::pin(token.clone().cancelled_owned());
        let hook = Waker::from(Arc::clone(service));
        service.state.begin()?;
        let is_cancelled = wait
            .as_mut()
            .poll(&mut Context::from_waker(&hook))
            .is_ready();
        if is_cancelled {
            let _ = service.state.refuse();
            return Err(StartError::Cancelled);
        }
        service.keep(Some(wait));
        come_up().await?;
        if token.is_cancelled() {
            let _ = service.state.refuse();
        }
        service.state.publish()
    }

    fn is_running(service: &Arc<Hooked>) -> bool {
        service.state.load() == RUNNING
    }
}
