use std::time::{Duration, Instant};

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

use crate::Peer;
use crate::job::{Job, Probe};

#[cancel_guarded(state = cell, start)]
async fn start(cell: &StateCell, shutdown: CancellationToken, job: Job) -> Result<(), StartError> {
    job.set_up().await;
    tokio::spawn(cell.serve(async move {
        job.up();
        shutdown.cancelled().await;
    }));
    Ok(())
}

pub(crate) struct Guarded;

impl Peer for Guarded {
    const NAME: &'static str = "cancel-guarded";

    async fn life(job: Job) {
        let cell = StateCell::new();
        start(&cell, CancellationToken::new(), job)
            .await
            .expect("starts");
        cell.running().await.expect("runs");
        cell.stop().await.expect("stops");
    }

    async fn told_first(job: Job) {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let _ = start(&StateCell::new(), shutdown, job).await;
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let start = tokio::spawn(async move { start(&StateCell::new(), token, job).await });
        probe.begins().await;
        shutdown.cancel();
        probe.open().await;
        let _ = start.await;
    }

    async fn stop_many(count: usize) -> Duration {
        let shutdown = CancellationToken::new();
        let cells: Vec<StateCell> = (0..count).map(|_| StateCell::new()).collect();
        for cell in &cells {
            start(cell, shutdown.clone(), Job::default())
                .await
                .expect("starts");
        }
        crate::settle().await;
        let begin = Instant::now();
        shutdown.cancel();
        for cell in &cells {
            cell.stopped().await.expect("stops");
        }
        begin.elapsed()
    }
}
