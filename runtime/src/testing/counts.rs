//! The counts that a run must not raise: tasks, and those of the user.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Something that a run must leave no more of than there was.
pub(super) struct Counted {
    pub(super) what: &'static str,
    pub(super) count: Box<dyn Fn() -> usize + Send + Sync>,
    before: usize,
}

impl Counted {
    pub(super) fn new(what: &'static str, count: Box<dyn Fn() -> usize + Send + Sync>) -> Self {
        Self {
            what,
            count,
            before: 0,
        }
    }
}

/// More than there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) what: &'static str,
    pub(super) now: usize,
    pub(super) before: usize,
}

pub(super) struct Counts {
    runtime: Option<Handle>,
    tasks_before: usize,
    counted: Vec<Counted>,
}

impl Counts {
    pub(super) fn new(counted: Vec<Counted>) -> Self {
        let mut counts = Self {
            runtime: Handle::try_current().ok(),
            tasks_before: 0,
            counted,
        };
        counts.rebase();
        counts
    }

    /// From here on, what there is now is what there was before.
    pub(super) fn rebase(&mut self) {
        self.tasks_before = self.tasks();
        for counted in &mut self.counted {
            counted.before = (counted.count)();
        }
    }

    /// Whether tasks can be counted.
    pub(super) fn sees_tasks(&self) -> bool {
        self.runtime.is_some()
    }

    /// Whether no task is polled on another thread while this one runs, so that a task which is
    /// spawned meanwhile was spawned by the caller.
    pub(super) fn sees_who_spawns(&self) -> bool {
        let flavor = self.runtime.as_ref().map(Handle::runtime_flavor);
        flavor.is_some_and(|flavor| flavor == RuntimeFlavor::CurrentThread)
    }

    /// Whether something is counted that may also change after the last task is gone.
    pub(super) fn has_counted(&self) -> bool {
        !self.counted.is_empty()
    }

    /// The tasks that are alive.
    pub(super) fn tasks(&self) -> usize {
        let runtime = self.runtime.as_ref();
        runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    /// The tasks that were not alive before.
    pub(super) fn new_tasks(&self) -> usize {
        self.tasks().saturating_sub(self.tasks_before)
    }

    /// The first count that is more than before.
    pub(super) fn excess(&self) -> Option<Excess> {
        let tasks = Excess {
            what: "tasks",
            now: self.tasks(),
            before: self.tasks_before,
        };
        let counted = self.counted.iter().map(|counted| Excess {
            what: counted.what,
            now: (counted.count)(),
            before: counted.before,
        });
        let mut all = std::iter::once(tasks).chain(counted);
        all.find(|excess| excess.now > excess.before)
    }
}
