//! From the operating system's signals to a token.

use std::io;

use cancel_guarded::CancellationToken;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Cancels `shutdown` at Ctrl-C (SIGINT) and at SIGTERM.
///
/// Both are caught from the call on, so make it before the start: one that arrives during the
/// start refuses it.
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
