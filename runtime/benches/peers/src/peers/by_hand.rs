use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Peer;
use crate::job::{Job, Probe};

struct Service {
    tracker: TaskTracker,
    token: CancellationToken,
    running: watch::Sender<bool>,
}

impl Service {
    fn new(shutdown: &CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            token: shutdown.child_token(),
            running: watch::Sender::new(false),
        }
    }

    async fn start(&self, job: Job) {
        job.set_up().await;
        let token = self.token.clone();
        self.tracker.spawn(async move {
            job.up();
            token.cancelled().await;
        });
        self.running.send_replace(true);
    }

    async fn running(&self) {
        let mut running = self.running.subscribe();
        running
            .wait_for(|running| *running)
            .await
            .expect("its sender is there");
    }

    async fn stopped(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

pub(crate) struct ByHand;

impl Peer for ByHand {
    const NAME: &'static str = "by hand, with `TaskTracker`";

    async fn life(job: Job) {
        let service = Service::new(&CancellationToken::new());
        service.start(job).await;
        service.running().await;
        service.token.cancel();
        service.stopped().await;
    }

    async fn told_first(job: Job) {
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        Service::new(&shutdown).start(job).await;
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let shutdown = CancellationToken::new();
        let service = Service::new(&shutdown);
        let start = tokio::spawn(async move { service.start(job).await });
        probe.begins().await;
        shutdown.cancel();
        probe.open().await;
        let _ = start.await;
    }

    async fn stop_many(count: usize) -> Duration {
        let shutdown = CancellationToken::new();
        let services: Vec<Service> = (0..count).map(|_| Service::new(&shutdown)).collect();
        for service in &services {
            service.start(Job::default()).await;
        }
        crate::settle().await;
        let begin = Instant::now();
        shutdown.cancel();
        for service in &services {
            service.stopped().await;
        }
        begin.elapsed()
    }
}
