//! The hook, in a few lines.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::task::{Context, Wake, Waker};

use cancel_guarded::CancellationToken;

const STARTING: u8 = 1;
const RUNNING: u8 = 2;
const REFUSED: u8 = 3;

struct Hook(Arc<AtomicU8>);

impl Wake for Hook {
    /// Runs inside `cancel()`, on the thread that cancels.
    fn wake(self: Arc<Self>) {
        let _ = self.0.compare_exchange(STARTING, REFUSED, SeqCst, SeqCst);
    }
}

#[test]
fn the_state_has_changed_when_cancel_returns() {
    let state = Arc::new(AtomicU8::new(STARTING));
    let token = CancellationToken::new();

    // One poll checks the token (ready: already cancelled) and registers the hook.
    let mut cancelled = pin!(token.cancelled());
    let hook = Waker::from(Arc::new(Hook(Arc::clone(&state))));
    assert!(
        cancelled
            .as_mut()
            .poll(&mut Context::from_waker(&hook))
            .is_pending()
    );

    token.cancel();
    assert_eq!(state.load(SeqCst), REFUSED); // no task has run

    let published = state.compare_exchange(STARTING, RUNNING, SeqCst, SeqCst);
    assert_eq!(published, Err(REFUSED));
}
