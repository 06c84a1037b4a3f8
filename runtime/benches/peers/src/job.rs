//! The work of every service: a set-up, and then nothing until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// What is seen of one service.
pub(crate) struct Probe {
    /// Its set-up has begun.
    pub(crate) begun: AtomicBool,
    /// Its set-up has ended.
    pub(crate) passed: AtomicBool,
    /// It is up: its users could see it running.
    pub(crate) up: AtomicBool,
    /// Its future has been dropped.
    pub(crate) gone: AtomicBool,
    /// The set-up waits for a permit.
    pub(crate) gate: Semaphore,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            begun: AtomicBool::new(false),
            passed: AtomicBool::new(false),
            up: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            gate: Semaphore::new(0),
        }
    }
}

impl Probe {
    /// Waits until the set-up has begun.
    pub(crate) async fn begins(&self) {
        while !self.begun.load(SeqCst) {
            yield_now().await;
        }
    }

    /// Lets the set-up end.
    pub(crate) async fn open(&self) {
        self.gate.add_permits(1);
        settle().await;
    }
}

/// Lets every task of the runtime run until it waits.
pub(crate) async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// One service. Without a probe, its set-up is ready at once.
#[derive(Default)]
pub(crate) struct Job(Option<Arc<Probe>>);

impl Job {
    pub(crate) fn probed(probe: &Arc<Probe>) -> Self {
        Self(Some(Arc::clone(probe)))
    }

    pub(crate) async fn set_up(&self) {
        if let Some(probe) = &self.0 {
            probe.begun.store(true, SeqCst);
            probe
                .gate
                .acquire()
                .await
                .expect("it is not closed")
                .forget();
            probe.passed.store(true, SeqCst);
        }
    }

    /// Sees whether the service is up, and is no part of it.
    pub(crate) fn watcher(&self) -> Watcher {
        Watcher(self.0.clone())
    }

    pub(crate) fn up(&self) {
        self.watcher().up();
    }
}

/// Sees a service from outside.
pub(crate) struct Watcher(Option<Arc<Probe>>);

impl Watcher {
    pub(crate) fn up(&self) {
        if let Some(probe) = &self.0 {
            probe.up.store(true, SeqCst);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(probe) = &self.0 {
            probe.gone.store(true, SeqCst);
        }
    }
}
