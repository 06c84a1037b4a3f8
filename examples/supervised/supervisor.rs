//! A loop that starts a service again when it has failed.

use std::future::Future;
use std::time::Duration;

use cancel_guarded::{CancellationToken, Failure, State, StateCell};
use tokio::time::{Instant, sleep};
use tracing::warn;

#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// The supervisor gives up at so many failures in a row.
    pub(crate) give_up_at: u32,
    /// The pause after the first failure. It doubles with each further one.
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
    /// A service that ran for so long was healthy: the next failure is the first of a new row.
    pub(crate) stable_after: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("gave up: {0}")]
pub(crate) struct GaveUp(Failure);

/// Keeps a service up until `shutdown` is cancelled or its cell is told to stop. Returns when the
/// service has ended.
///
/// The start has to say `restart`.
pub(crate) async fn keep_up<S, F, T, E>(
    cell: &StateCell<S>,
    policy: Policy,
    shutdown: &CancellationToken,
    start: impl Fn(CancellationToken) -> F,
) -> Result<(), GaveUp>
where
    S: State,
    F: Future<Output = Result<T, E>>,
{
    let (mut failures, mut pause) = (0, policy.pause);
    loop {
        // The cell keeps the cause of a failed start, too.
        let is_up = start(shutdown.clone()).await.is_ok();
        let up_since = Instant::now();
        let Err(cause) = cell.stopped().await else {
            return Ok(());
        };
        if shutdown.is_cancelled() || cell.stop_requested() {
            return Ok(());
        }
        // A start that succeeds and then fails at once is one more failure of the same row.
        if is_up && up_since.elapsed() >= policy.stable_after {
            (failures, pause) = (0, policy.pause);
        }
        failures += 1;
        if failures >= policy.give_up_at {
            return Err(GaveUp(cause));
        }
        warn!(%cause, ?pause, "starts again after a pause");
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => return Ok(()),
            () = cell.stop_asked() => return Ok(()),
        }
        pause = (pause * 2).min(policy.longest_pause);
    }
}
