//! The timeline of a finding.

use crate::check::flow::names;
use crate::model::{Event, Kind};
use crate::score::Finding;

/// The line of each step, and of the next look: `140 awaits connect -> 145 spawns run;
/// cancelled at 140, no look until 190`.
pub(crate) fn timeline(finding: &Finding<'_>) -> String {
    let events = &finding.function.events;
    let mut steps = Vec::new();
    let first = events.get(finding.awaits);
    let line = first.map_or(finding.function.line, |event| event.line);
    steps.extend(first.map(step));
    let late = finding.late.iter().filter_map(|&index| events.get(index));
    steps.extend(late.map(step));
    let last = finding.late.last().copied().unwrap_or(finding.awaits);
    let task = events.get(last).map_or(0, |event| event.task);
    let look = events
        .iter()
        .skip(last + 1)
        .find(|event| event.task == task && matches!(event.kind, Kind::Look));
    let until = match look {
        Some(look) => format!("no look until {}", look.line),
        None => "no look afterwards".to_owned(),
    };
    if let Some(Kind::Select { .. }) = first.map(|event| &event.kind) {
        return format!(
            "{}; cancelled before {line}, the choice is random",
            steps.join(" -> ")
        );
    }
    let token = &finding.token;
    let followed = if finding.is_followed {
        String::new()
    } else {
        format!("; a call before it takes `{token}` and is not followed")
    };
    format!(
        "{}; cancelled at {line}, {until}{followed}",
        steps.join(" -> ")
    )
}

fn step(event: &Event) -> String {
    format!("{} {}", event.line, action(event))
}

/// An event as the report tells it: `awaits connect`.
pub(crate) fn action(event: &Event) -> String {
    if let Kind::Spawn(spawn) = &event.kind {
        if names::is_plain_spawn(&event.label) {
            return match &spawn.function {
                Some(function) => format!("spawns `{function}`"),
                None => "spawns a task".to_owned(),
            };
        }
    }
    let verb = match event.kind {
        Kind::Await { .. } => "awaits",
        Kind::Look => "looks in",
        Kind::Spawn(_) => "spawns with",
        Kind::Bind => "binds with",
        Kind::Publish(_) => "publishes with",
        Kind::StartCall { .. } => "calls",
        Kind::Select { .. } => "may choose another branch in",
    };
    format!("{verb} `{}`", event.label)
}
