use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use task_supervisor::{
    CancellationToken, SupervisedTask, SupervisorBuilder, TaskResult, TaskStatus,
};

use crate::Peer;
use crate::job::{Job, Probe};

/// A run gets a clone, so the job is taken out of it.
#[derive(Clone)]
struct Service(Arc<Mutex<Option<Job>>>);

impl Service {
    fn new(job: Job) -> Self {
        Self(Arc::new(Mutex::new(Some(job))))
    }
}

impl SupervisedTask for Service {
    async fn run(self, cancel: CancellationToken) -> TaskResult {
        let job = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let job = job.unwrap_or_default();
        job.set_up().await;
        job.up();
        cancel.cancelled().await;
        Ok(())
    }
}

pub(crate) struct TaskSupervisor;

impl Peer for TaskSupervisor {
    const NAME: &'static str = "task-supervisor";

    async fn life(job: Job) {
        let supervisor = SupervisorBuilder::new().with_task("service", Service::new(job));
        let handle = supervisor.spawn();
        let status = handle.task_status("service").await.expect("it is there");
        assert_eq!(status, TaskStatus::Running);
        handle.shutdown().await.expect("stops");
    }

    async fn told_first(job: Job) {
        let supervisor = SupervisorBuilder::new().with_task("service", Service::new(job));
        supervisor.spawn().shutdown().await.expect("stops");
    }

    async fn told_in_set_up(job: Job, probe: &Probe) {
        let supervisor = SupervisorBuilder::new().with_task("service", Service::new(job));
        let handle = supervisor.spawn();
        probe.begins().await;
        let shutdown = tokio::spawn(async move { handle.shutdown().await });
        crate::settle().await;
        probe.open().await;
        shutdown.await.expect("no panic").expect("stops");
    }

    async fn stop_many(count: usize) -> Duration {
        let mut supervisor = SupervisorBuilder::new();
        for index in 0..count {
            supervisor = supervisor.with_task(&index.to_string(), Service::new(Job::default()));
        }
        let handle = supervisor.spawn();
        crate::settle().await;
        let begin = Instant::now();
        handle.shutdown().await.expect("stops");
        begin.elapsed()
    }
}
