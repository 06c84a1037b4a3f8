use std::time::{Duration, Instant};

use fuel_core_services::{
    RunnableService, RunnableTask, Service as _, ServiceRunner, StateWatcher, TaskNextAction,
};

use crate::Peer;
use crate::job::{Job, Probe};

struct Service(Job);

#[async_trait::async_trait]
impl RunnableService for Service {
    const NAME: &'static str = "service";
    type SharedData = ();
    type Task = Self;
    type TaskParams = ();

    fn shared_data(&self) {}

    async fn into_task(self, _: &StateWatcher, (): ()) -> anyhow::Result<Self> {
        self.0.set_up().await;
        Ok(self)
    }
}

impl RunnableTask for Service {
    async fn run(&mut self, watcher: &mut StateWatcher) -> TaskNextAction {
        if watcher.borrow().started() {
            self.0.up();
        }
        let _ = watcher.while_started().await;
        TaskNextAction::Stop
    }

    async fn shutdown(self) -> anyhow::Result<()> {
        Ok(())
    }
}

pub(crate) struct FuelServices;

impl Peer for FuelServices {
    const NAME: &'static str = "fuel-core-services";

    // The time of a start grows with the number of services that were started before.
    const CROWD: usize = 1000;

    async fn life(job: Job) {
        let runner = ServiceRunner::new(Service(job));
        runner.start_and_await().await.expect("starts");
        runner.stop_and_await().await.expect("stops");
    }

    async fn told_first(job: Job) {
        let runner = ServiceRunner::new(Service(job));
        runner.stop();
        let _ = runner.start();
        crate::settle().await;
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let runner = ServiceRunner::new(Service(job));
        runner.start().expect("starts");
        probe.begins().await;
        runner.stop();
        probe.open().await;
    }

    async fn stop_many(count: usize) -> Duration {
        let runners: Vec<_> = (0..count)
            .map(|_| ServiceRunner::new(Service(Job::default())))
            .collect();
        for runner in &runners {
            runner.start_and_await().await.expect("starts");
        }
        crate::settle().await;
        let begin = Instant::now();
        for runner in &runners {
            runner.stop();
        }
        for runner in &runners {
            runner.await_stop().await.expect("stops");
        }
        begin.elapsed()
    }
}
