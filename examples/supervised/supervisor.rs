//! Who starts a service again when it has failed.

use std::future::Future;
use std::time::Duration;

use cancel_guarded::{CancellationToken, Failure, FailureKind, State, StateCell};
use tokio::time::sleep;
use tracing::warn;

/// How often, and how soon.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// How many failures in a row are one too many. To come up ends a row.
    pub(crate) give_up_at: u32,
    /// The pause behind the first failure. It doubles with each that follows.
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("given up on: {0}")]
pub(crate) struct GivenUp(Failure);

/// Starts a service, again and again, until it is told to stop.
///
/// Returns once nothing of it is left, with an error if it fails too often.
pub(crate) async fn keep_up<S, F, T, E>(
    cell: &StateCell<S>,
    policy: Policy,
    shutdown: &CancellationToken,
    start: impl Fn(CancellationToken) -> F,
) -> Result<(), GivenUp>
where
    S: State,
    F: Future<Output = Result<T, E>>,
{
    let mut failures = 0;
    let mut pause = policy.pause;
    loop {
        if start(shutdown.clone()).await.is_ok() {
            (failures, pause) = (0, policy.pause);
            cell.stopped().await;
        }
        let cause = match cell.failure() {
            Some(cause) if cause.kind() != FailureKind::Cancelled => cause,
            // Stopped as it was told to, or told before it was up.
            _ => return Ok(()),
        };
        failures += 1;
        if failures >= policy.give_up_at {
            return Err(GivenUp(cause));
        }
        warn!(%cause, ?pause, "to be started again");
        if shutdown.run_until_cancelled(sleep(pause)).await.is_none() {
            return Ok(());
        }
        pause = (pause * 2).min(policy.longest_pause);
    }
}
