//! The findings as JSON.

use serde_json::{Value, json};

use super::timeline::{action, timeline};
use crate::audit::Audit;
use crate::score::Finding;

pub(crate) fn report(audit: &Audit<'_>) -> String {
    let findings: Vec<Value> = audit.shown.iter().map(finding).collect();
    let report = json!({
        "findings": findings,
        "below_threshold": audit.below,
        "in_baseline": audit.in_baseline,
    });
    format!("{report:#}\n")
}

fn finding(finding: &Finding<'_>) -> Value {
    let function = finding.function;
    let indexes = std::iter::once(&finding.awaits).chain(&finding.late);
    let steps = indexes.filter_map(|&index| function.events.get(index));
    let steps: Vec<Value> = steps
        .map(|event| json!({ "line": event.line, "action": action(event) }))
        .collect();
    json!({
        "file": finding.file.path,
        "line": function.line,
        "function": function.qualified,
        "token": finding.token,
        "verdict": finding.verdict.words(),
        "score": finding.score,
        "timeline": timeline(finding),
        "steps": steps,
    })
}
