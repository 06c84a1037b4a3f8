//! The result of a sweep.

use std::fmt;

/// The runs of a [`sweep`](super::sweep). `Display` is a small table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    pub(super) points: usize,
    pub(super) refusals: usize,
    pub(super) drops: usize,
    pub(super) successes: usize,
    pub(super) stops: usize,
    pub(super) missed: usize,
    /// The runs in which the service had ended before it was cancelled.
    pub(super) ended_by_itself: usize,
    pub(super) restarts: Option<usize>,
    pub(super) ended_in: Option<&'static str>,
    /// The state in which the service ended that was told to stop.
    pub(super) stopped_in: Option<&'static str>,
    pub(super) has_client: bool,
    pub(super) owner_drop: Option<OwnerDrop>,
    pub(super) tasks_checked: bool,
    /// Whether it was seen which tasks the service has spawned for the client.
    pub(super) client_tasks_checked: bool,
    /// The tasks that may be neither served nor tracked.
    pub(super) detached_tasks: usize,
    pub(super) kind: Kind,
}

/// What is swept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function without a cell.
    #[default]
    Function,
    Start,
    Run,
}

/// How a service took the drop of its value while it was running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerDrop {
    /// It ran on, until its token was cancelled.
    RunsOn,
    /// It came to its end.
    Ends,
}

impl Report {
    /// The suspension points of the start, where it returned `Pending`.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The runs that were cancelled and refused.
    pub fn refusals(&self) -> usize {
        self.refusals
    }

    /// The runs that cancelled a service once it was running. With
    /// [`Sweep::ends_by_itself`](super::Sweep::ends_by_itself), it may have ended before.
    pub fn successes(&self) -> usize {
        self.successes
    }

    /// The runs that told the cell of a service to stop once it was running.
    pub fn stops(&self) -> usize {
        self.stops
    }

    /// The runs that were dropped where they waited.
    pub fn drops(&self) -> usize {
        self.drops
    }

    /// The points that some run of the start did not come to, because it does not wait as often in
    /// each run: a thread or a peer may be faster. Each was tried three times.
    pub fn missed(&self) -> usize {
        self.missed
    }

    /// The starts on the same service after a run that was refused or dropped. `None` if each run had
    /// a service of its own.
    pub fn restarts(&self) -> Option<usize> {
        self.restarts
    }

    /// What the service did when its value was dropped while it was running. `None` if that was not
    /// tried, because the closure returned no service.
    pub fn owner_drop(&self) -> Option<OwnerDrop> {
        self.owner_drop
    }

    /// Whether the tasks were counted, which needs a tokio runtime.
    pub fn tasks_checked(&self) -> bool {
        self.tasks_checked
    }

    /// Whether tasks that were spawned for the client may be no parts.
    fn has_unchecked_tasks(&self) -> bool {
        self.has_client && self.tasks_checked && !self.client_tasks_checked
    }

    /// The row on tasks.
    fn tasks(&self) -> String {
        if !self.tasks_checked {
            return "not counted: no tokio runtime".to_owned();
        }
        if self.kind == Kind::Function {
            return "none is left".to_owned();
        }
        let allowed = match self.detached_tasks {
            0 => String::new(),
            1 => "1 allowed that is no part, ".to_owned(),
            allowed => format!("{allowed} allowed that are no parts, "),
        };
        let parts = match (self.has_unchecked_tasks(), allowed.is_empty()) {
            (false, true) => "all are parts",
            (false, false) => "all others are parts",
            (true, true) => "those of the start are parts",
            (true, false) => "the others of the start are parts",
        };
        format!("{allowed}{parts}, none is left")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![
            ("suspension points", self.points.to_string()),
            ("cancelled and refused", self.refusals.to_string()),
            ("dropped while starting", self.drops.to_string()),
        ];
        if self.missed > 0 {
            rows.push(("points not reached", self.missed.to_string()));
        }
        let running = self.successes.to_string();
        let has_cell = self.kind != Kind::Function;
        if has_cell {
            let ended_in = |state| format!(", ended in {state}");
            let running = running + &self.ended_in.map(ended_in).unwrap_or_default();
            let stopped_in = self.stopped_in.map(ended_in).unwrap_or_default();
            let client = if self.has_client { "played" } else { "none" };
            let restarts = self.restarts.map(|restarts| restarts.to_string());
            let owner_drop = match self.owner_drop {
                None if self.kind == Kind::Run => "not tried: the run holds it",
                None => "not tried: no service returned",
                Some(OwnerDrop::RunsOn) => "runs on",
                Some(OwnerDrop::Ends) => "ends",
            };
            rows.push(("cancelled once running", running));
            if self.ended_by_itself > 0 {
                rows.push(("of these, ended before", self.ended_by_itself.to_string()));
            }
            rows.extend([
                ("stopped once running", self.stops.to_string() + &stopped_in),
                (
                    "started again",
                    restarts.unwrap_or_else(|| "not tried: a service for each run".to_owned()),
                ),
                ("client while running", client.to_owned()),
                ("service dropped", owner_drop.to_owned()),
            ]);
        } else {
            rows.push(("cancelled once it was up", running));
        }
        rows.push(("tasks", self.tasks()));
        if self.has_unchecked_tasks() {
            let unchecked = "whether they are parts was not checked: multi_thread";
            rows.push(("tasks for the client", unchecked.to_owned()));
        }
        let rows: Vec<String> = rows
            .into_iter()
            .map(|(what, value)| format!("{what:<26}{value}"))
            .collect();
        f.write_str(&rows.join("\n"))
    }
}
