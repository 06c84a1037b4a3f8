use std::convert::Infallible;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};
use tokio_util::sync::CancellationToken;

use crate::Peer;
use crate::job::{Job, Probe};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A subsystem has no state that others can see, so it says itself when it is up.
fn toplevel(
    shutdown: CancellationToken,
    jobs: Vec<Job>,
    running: watch::Sender<usize>,
) -> Toplevel {
    Toplevel::new_with_shutdown_token(
        async move |root: &mut SubsystemHandle| {
            for job in jobs {
                let running = running.clone();
                let service = async move |subsystem: &mut SubsystemHandle| {
                    job.set_up().await;
                    job.up();
                    running.send_modify(|count| *count += 1);
                    subsystem.on_shutdown_requested().await;
                    Ok::<(), Infallible>(())
                };
                root.start(SubsystemBuilder::new("service", service));
            }
        },
        shutdown,
    )
}

pub(crate) struct GracefulShutdown;

impl Peer for GracefulShutdown {
    const NAME: &'static str = "tokio-graceful-shutdown";

    async fn life(job: Job) {
        let shutdown = CancellationToken::new();
        let (running, mut seen) = watch::channel(0);
        let toplevel = toplevel(shutdown.clone(), vec![job], running);
        seen.wait_for(|count| *count == 1).await.expect("runs");
        shutdown.cancel();
        toplevel
            .handle_shutdown_requests(TIMEOUT)
            .await
            .expect("stops");
    }

    async fn told_first(job: Job) {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        let toplevel = toplevel(shutdown, vec![job], watch::Sender::new(0));
        toplevel
            .handle_shutdown_requests(TIMEOUT)
            .await
            .expect("stops");
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let shutdown = CancellationToken::new();
        let toplevel = toplevel(shutdown.clone(), vec![job], watch::Sender::new(0));
        probe.begins().await;
        shutdown.cancel();
        probe.open().await;
        toplevel
            .handle_shutdown_requests(TIMEOUT)
            .await
            .expect("stops");
    }

    async fn stop_many(count: usize) -> Duration {
        let shutdown = CancellationToken::new();
        let (running, mut seen) = watch::channel(0);
        let jobs = (0..count).map(|_| Job::default()).collect();
        let toplevel = toplevel(shutdown.clone(), jobs, running);
        seen.wait_for(|seen| *seen == count).await.expect("runs");
        crate::settle().await;
        let begin = Instant::now();
        shutdown.cancel();
        toplevel
            .handle_shutdown_requests(TIMEOUT)
            .await
            .expect("stops");
        begin.elapsed()
    }
}
