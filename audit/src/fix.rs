//! The fix of a finding, as the sketch of a diff.

use crate::check::flow::names;
use crate::model::{Event, Kind};
use crate::score::Finding;

/// A longer sketch is not read.
const MOST_LINES: usize = 5;

/// The lines of the sketch, each with `+`, `-` or a space in front.
pub(crate) fn sketch(finding: &Finding<'_>, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let line = |number: usize| lines.get(number.saturating_sub(1)).copied().unwrap_or("");
    let function = finding.function;
    let state = if function.has_receiver {
        "self.state"
    } else {
        "state"
    };
    let signature = line(function.line);
    let mode = if function.is_run { "run" } else { "start" };
    let token = match &function.token {
        Some(_) => String::new(),
        None => format!("token = {}, ", finding.token),
    };
    let mut sketch = vec![
        format!(
            "+{}#[cancel_guarded({mode}, {token}state = {state})]",
            indent(signature)
        ),
        format!(" {signature}"),
    ];
    let mut shown = Vec::new();
    let rest = function.events.iter().skip(finding.awaits);
    let is_own = |event: &&Event| event.task == 0;
    for event in rest.filter(is_own) {
        let is_fixed = matches!(event.kind, Kind::Publish(_) | Kind::Spawn(_));
        if !is_fixed || shown.contains(&event.line) || shown.len() == MOST_LINES {
            continue;
        }
        shown.push(event.line);
        let old = line(event.line);
        match &event.kind {
            Kind::Publish(_) if function.is_run => {
                sketch.push(format!("-{old}"));
                sketch.push(format!(
                    "+{}{state}.store(Lifecycle::Running);",
                    indent(old)
                ));
            }
            Kind::Publish(_) => sketch.push(format!("-{old}")),
            Kind::Spawn(spawn) if !spawn.is_owned => {
                sketch.push(format!("-{old}"));
                let new = if names::is_plain_spawn(&event.label) {
                    served(old, event, text, state)
                } else {
                    format!("{old} // with `{state}.serve(..)` around the future that it spawns")
                };
                sketch.push(format!("+{new}"));
            }
            _ => {}
        }
    }
    sketch
}

fn indent(line: &str) -> &str {
    let length = line.len() - line.trim_start().len();
    line.get(..length).unwrap_or("")
}

/// The line of a spawn with `serve` around its future; what follows the line is elided.
fn served(line: &str, event: &Event, text: &str, state: &str) -> String {
    let call = text.get(event.range.clone()).unwrap_or("");
    let first_line = call.lines().next().unwrap_or("");
    let is_whole = call == first_line;
    let name = format!("{}(", event.label);
    let Some(open) = first_line.find(&name).map(|start| start + name.len()) else {
        return line.to_owned();
    };
    let (before, after) = first_line.split_at(open);
    let served = match after.strip_suffix(')').filter(|_| is_whole) {
        Some(inside) => format!("{before}{state}.serve({inside}))"),
        None => format!("{before}{state}.serve({after}"),
    };
    line.replacen(first_line, &served, 1)
}
