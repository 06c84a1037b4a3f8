use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, ActorRuntime};

use crate::Peer;
use crate::job::{Job, Probe};

struct Service;

impl Actor for Service {
    type Msg = ();
    type State = Job;
    type Arguments = Job;

    async fn pre_start(&self, _: ActorRef<()>, job: Job) -> Result<Job, ActorProcessingErr> {
        job.set_up().await;
        Ok(job)
    }

    async fn post_start(&self, _: ActorRef<()>, job: &mut Job) -> Result<(), ActorProcessingErr> {
        job.up();
        Ok(())
    }
}

pub(crate) struct Ractor;

impl Peer for Ractor {
    const NAME: &'static str = "ractor";

    async fn life(job: Job) {
        let (actor, task) = Service::spawn(None, Service, job).await.expect("starts");
        actor.stop(None);
        task.await.expect("stops");
    }

    async fn told_first(job: Job) {
        let (actor, _) = ActorRuntime::spawn_instant(None, Service, job).expect("spawns");
        actor.stop(None);
        crate::settle().await;
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let (actor, _) = ActorRuntime::spawn_instant(None, Service, job).expect("spawns");
        probe.begins().await;
        actor.stop(None);
        probe.open().await;
    }

    async fn stop_many(count: usize) -> Duration {
        let mut services = Vec::with_capacity(count);
        for _ in 0..count {
            services.push(
                Service::spawn(None, Service, Job::default())
                    .await
                    .expect("starts"),
            );
        }
        crate::settle().await;
        let begin = Instant::now();
        for (actor, _) in &services {
            actor.stop(None);
        }
        for (_, task) in services {
            task.await.expect("stops");
        }
        begin.elapsed()
    }
}
