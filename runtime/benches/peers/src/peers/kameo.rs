use std::convert::Infallible;
use std::time::{Duration, Instant};

use kameo::actor::{Actor, ActorRef, Spawn};

use crate::Peer;
use crate::job::{Job, Probe, Watcher};

struct Service {
    _job: Job,
}

impl Actor for Service {
    type Args = Job;
    type Error = Infallible;

    async fn on_start(job: Job, _: ActorRef<Self>) -> Result<Self, Infallible> {
        job.set_up().await;
        Ok(Self { _job: job })
    }
}

/// It is up when others see that its start has succeeded.
async fn watch(actor: ActorRef<Service>, seen: Watcher) {
    if actor
        .wait_for_startup_with_result(|started| started.is_ok())
        .await
    {
        seen.up();
    }
}

pub(crate) struct Kameo;

impl Peer for Kameo {
    const NAME: &'static str = "kameo";

    async fn life(job: Job) {
        let actor = Service::spawn(job);
        actor.wait_for_startup().await;
        actor.stop_gracefully().await.expect("it is alive");
        actor.wait_for_shutdown().await;
    }

    async fn told_first(job: Job) {
        let watcher = job.watcher();
        let actor = Service::spawn(job);
        tokio::spawn(watch(actor.clone(), watcher));
        let _ = actor.stop_gracefully().await;
        crate::settle().await;
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let watcher = job.watcher();
        let actor = Service::spawn(job);
        tokio::spawn(watch(actor.clone(), watcher));
        probe.begins().await;
        let _ = actor.stop_gracefully().await;
        probe.open().await;
    }

    async fn stop_many(count: usize) -> Duration {
        let actors: Vec<_> = (0..count).map(|_| Service::spawn(Job::default())).collect();
        for actor in &actors {
            actor.wait_for_startup().await;
        }
        crate::settle().await;
        let begin = Instant::now();
        for actor in &actors {
            actor.stop_gracefully().await.expect("it is alive");
        }
        for actor in &actors {
            actor.wait_for_shutdown().await;
        }
        begin.elapsed()
    }
}
