//! Cancels a token when the operating system sends a signal.

use std::io;

use cancel_guarded::CancellationToken;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Cancels `shutdown` at Ctrl-C (SIGINT) and at SIGTERM.
///
/// Call this before the start, so that a signal during the start refuses it.
pub(crate) fn cancel_at_signal(shutdown: CancellationToken) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!("told to stop by {name}");
        shutdown.cancel();
    });
    Ok(())
}
