//! Nothing unserved: tasks that the body spawns and lets go of, without a part of the service
//! around them.

use proc_macro2::TokenStream;
use syn::Expr;

use super::flow::parts::ServedOn;
use super::flow::{Flow, Part, Task};
use crate::model::Mode;
use crate::syntax::to_source;

/// A task that is spawned and let go of.
#[derive(Clone, Debug)]
pub(crate) struct Unserved {
    /// The call that spawns it.
    at: TokenStream,
    /// It is spawned in a loop: one task for each client, to be tracked.
    pub(crate) in_loop: bool,
    /// It is a closure on a thread of its own, which takes a guard.
    pub(crate) is_blocking: bool,
    /// A guard that its text names and does not use.
    unmoved: Option<(TokenStream, String)>,
    /// The cell that it is served on, if that is another one.
    pub(crate) served_on: Option<ServedOn>,
}

impl Unserved {
    /// The tokens that show it.
    pub(crate) fn at(&self) -> TokenStream {
        let unmoved = self.unmoved.as_ref().map(|(at, _)| at);
        let served_on = self.served_on.as_ref().map(|served| &served.cell);
        let at = unmoved.or(served_on).unwrap_or(&self.at);
        at.clone()
    }

    /// The whole message. `state` is the cell as the user spells it.
    pub(crate) fn message(&self, state: &str, mode: Mode) -> String {
        if let Some((_, guard)) = &self.unmoved {
            let inside = if self.is_blocking { "closure" } else { "task" };
            return format!(
                "`_ = {guard}` moves nothing into the {inside}; write `let _{} = {guard};`",
                guard.trim_start_matches('_')
            );
        }
        if let Some(served) = &self.served_on {
            let cell = to_source(&served.cell);
            let uncertain = if served.is_certain {
                String::new()
            } else {
                format!(", or, if `{cell}` is no cell, `{state}.serve(..)` around this future")
            };
            return format!(
                "this is served on `{cell}`, and the guard's state is `{state}`; write the same \
                 cell in both places{uncertain}"
            );
        }
        let spawned = if self.is_blocking { "thread" } else { "task" };
        let serve = format!("`{state}.serve(..)` around its future makes it the service itself");
        let track = format!("`{state}.track(..)` around its future makes it one client of many");
        let fix = match (self.is_blocking, self.in_loop) {
            (true, _) => format!(
                "`let guard = {state}.serve_guard();` before it, moved into its closure, makes \
                 the service wait for it"
            ),
            (false, true) => format!("{track}; {serve}"),
            (false, false) => format!("{serve}; {track}"),
        };
        let when = match (self.is_blocking, mode) {
            (false, Mode::Start) => {
                " (it runs once this start has returned; if the body needs this task before, keep \
                 its handle, and join it in what you serve)"
            }
            _ => "",
        };
        format!(
            "nothing waits for this {spawned}: a start that is refused, or a service that stops, \
             leaves it running. {fix}{when}; `#[detached]` on the statement says that it may outlive \
             the service"
        )
    }
}

/// The tasks that the body spawns and lets go of without serving or tracking them.
pub(crate) fn unserved_tasks(flow: &Flow) -> Vec<Unserved> {
    let mut reported: Vec<bool> = Vec::with_capacity(flow.tasks.len());
    let mut unserved = Vec::new();
    for task in &flow.tasks {
        // One error for a task and all that it spawns.
        let is_inside = task
            .parent
            .and_then(|parent| reported.get(parent).copied())
            .unwrap_or(false);
        let is_unserved = is_unserved(task);
        reported.push(is_inside || is_unserved || task.is_detached);
        if is_unserved && !is_inside {
            unserved.push(Unserved {
                at: task.at.clone(),
                in_loop: task.in_loop,
                is_blocking: task.is_blocking,
                unmoved: task.unmoved.clone(),
                served_on: task.served_on.clone(),
            });
        }
    }
    unserved
}

/// The error for a part that is made when a spawned task runs.
pub(crate) fn late_part(part: &Part, state: &Expr) -> Option<String> {
    let late = part.late.as_ref().filter(|_| part.is_late())?;
    let state = to_source(state);
    let method = &part.at;
    let (task, inside) = if late.is_blocking {
        ("thread", "closure")
    } else {
        ("task", "task")
    };
    let fix = if late.is_blocking || method == "serve_guard" {
        format!(
            "take the guard before the {task}, `let guard = {state}.serve_guard();`, and move it \
             into the {inside}"
        )
    } else {
        format!(
            "call it in the body, `{}({state}.{method}(async move {{ .. }}))`",
            to_source(&late.spawn)
        )
    };
    Some(format!(
        "`{method}` is called when this {task} runs, which may be after this attempt has ended; {fix}"
    ))
}

fn is_unserved(task: &Task) -> bool {
    task.is_let_go && !task.is_served && !task.only_waits && !task.is_detached
}
