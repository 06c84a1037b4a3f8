//! The parts of the attempt under way: what is served, guarded or tracked.
//!
//! An attempt ends only when none of its parts is left, so every part in the list belongs to the
//! attempt under way. What is left is counted by what is in the list.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::task::Waker;

use super::slots::Slots;
use super::state::PartsLeft;

/// A boxed future that has not been polled. The list keeps it until its task takes it out after
/// publication, or the thread that refuses or aborts the attempt drops it.
pub(crate) type PendingFuture = Box<dyn Any + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartKind {
    /// A `Send` future of `serve`.
    Served,
    /// A future of `serve_local`, which only its own task can drop.
    Local,
    /// A `ServeGuard`.
    Guard,
    /// A future of `track`.
    Tracked,
}

/// One part. Its owner removes it when its future, or its guard, has been dropped.
pub(crate) struct Part {
    kind: PartKind,
    /// Tells this part from one that used the same slot before.
    serial: u64,
    pending: Option<PendingFuture>,
    /// The task that polls the part.
    task: Option<Waker>,
    /// Where the part was made.
    place: &'static Location<'static>,
}

impl Part {
    /// The waker of the task that polls it.
    #[inline]
    pub(crate) fn into_task(self) -> Option<Waker> {
        self.task
    }
}

/// Where a part is in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartKey {
    kind: PartKind,
    serial: u64,
    slot: usize,
}

impl PartKey {
    pub(crate) fn is_tracked(self) -> bool {
        self.kind == PartKind::Tracked
    }
}

#[derive(Default)]
pub(crate) struct Parts {
    serving: Slots<Part>,
    tracked: Slots<Part>,
    next_serial: u64,
}

impl Parts {
    #[inline]
    pub(crate) fn left(&self) -> PartsLeft {
        PartsLeft {
            serving: self.serving.len(),
            tracked: self.tracked.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.serving.is_empty() && self.tracked.is_empty()
    }

    #[inline]
    pub(crate) fn add(
        &mut self,
        kind: PartKind,
        place: &'static Location<'static>,
        pending: Option<PendingFuture>,
    ) -> PartKey {
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = self.list(kind).insert(Part {
            kind,
            serial,
            pending,
            task: None,
            place,
        });
        PartKey { kind, serial, slot }
    }

    fn list(&mut self, kind: PartKind) -> &mut Slots<Part> {
        match kind {
            PartKind::Served | PartKind::Local | PartKind::Guard => &mut self.serving,
            PartKind::Tracked => &mut self.tracked,
        }
    }

    fn get_mut(&mut self, key: PartKey) -> Option<&mut Part> {
        let part = self.list(key.kind).get_mut(key.slot);
        part.filter(|part| part.serial == key.serial)
    }

    /// Where a part was made.
    pub(crate) fn place(&mut self, key: PartKey) -> Option<&'static Location<'static>> {
        self.get_mut(key).map(|part| part.place)
    }

    /// Removes a part, to be dropped after unlock.
    #[inline]
    pub(crate) fn remove(&mut self, key: PartKey) -> Option<Part> {
        self.get_mut(key)?;
        self.list(key.kind).remove(key.slot)
    }

    /// Takes the future of a part that has not been polled.
    #[inline]
    pub(crate) fn take_pending(&mut self, key: PartKey) -> Option<PendingFuture> {
        self.get_mut(key)?.pending.take()
    }

    /// Takes all futures that have not been polled.
    pub(crate) fn take_all_pending(&mut self) -> Vec<(PartKey, PendingFuture)> {
        let mut all = Vec::new();
        self.for_each_mut(|slot, part| {
            if let Some(pending) = part.pending.take() {
                let key = PartKey {
                    kind: part.kind,
                    serial: part.serial,
                    slot,
                };
                all.push((key, pending));
            }
        });
        all
    }

    /// Stores the waker of a part's task, and leaves the one before it in `task`. `false` if the part
    /// is gone. Drop what is left after unlock.
    #[inline]
    pub(crate) fn swap_task(&mut self, key: PartKey, task: &mut Option<Waker>) -> bool {
        let part = self.get_mut(key);
        part.map(|part| std::mem::swap(&mut part.task, task))
            .is_some()
    }

    /// Takes the wakers of all parts that `wanted` selects, and hands them to `wake`.
    pub(crate) fn take_tasks(&mut self, wanted: Wanted, mut wake: impl FnMut(Waker)) {
        self.for_each_mut(|_, part| {
            let is_wanted = match wanted {
                Wanted::All => true,
                Wanted::Local => part.kind == PartKind::Local,
            };
            if let Some(task) = part.task.take_if(|_| is_wanted) {
                wake(task);
            }
        });
    }

    fn for_each_mut(&mut self, mut visit: impl FnMut(usize, &mut Part)) {
        self.serving.for_each_mut(&mut visit);
        self.tracked.for_each_mut(visit);
    }

    /// Whether each serving part that is left is a `Send` future which another thread is dropping.
    pub(crate) fn are_being_dropped(&self) -> bool {
        let is_other = |part: &Part| part.kind != PartKind::Served || part.pending.is_some();
        self.tracked.is_empty() && !self.serving.any(is_other)
    }

    /// The places where the parts were made, each with the number of parts that are left of it.
    pub(crate) fn places(&self) -> BTreeMap<String, usize> {
        let mut places = BTreeMap::new();
        for part in self.serving.iter().chain(self.tracked.iter()) {
            let place = format!("{}:{}", part.place.file(), part.place.line());
            *places.entry(place).or_default() += 1;
        }
        places
    }

    /// The number of parts of each kind.
    pub(crate) fn count(&self) -> PartsCount {
        let of = |kind| self.serving.iter().filter(|part| part.kind == kind).count();
        PartsCount {
            served: of(PartKind::Served),
            local: of(PartKind::Local),
            guards: of(PartKind::Guard),
            tracked: self.tracked.len(),
        }
    }
}

/// Which tasks to wake.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    All,
    Local,
}

/// The number of parts of each kind, as `Debug` shows them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PartsCount {
    pub(crate) served: usize,
    pub(crate) local: usize,
    pub(crate) guards: usize,
    pub(crate) tracked: usize,
}

#[cfg(all(feature = "testing", not(all(test, cancel_guarded_loom))))]
impl PartsCount {
    /// The number of all parts.
    pub(crate) fn total(self) -> usize {
        self.served + self.local + self.guards + self.tracked
    }
}

impl fmt::Debug for PartsCount {
    /// Shows only the kinds that are left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("served", self.served),
            ("local", self.local),
            ("guards", self.guards),
            ("tracked", self.tracked),
        ];
        let left = kinds.into_iter().filter(|(_, count)| *count > 0);
        f.debug_map().entries(left).finish()
    }
}
