//! The findings as SARIF 2.1.0, which code hosts show beside the code.

use serde_json::{Value, json};

use super::timeline::timeline;
use crate::audit::Audit;
use crate::score::{Finding, Verdict};

const RULES: [(Verdict, &str); 3] = [
    (
        Verdict::Publishes,
        "The function publishes a state after its token may have been cancelled.",
    ),
    (
        Verdict::Starts,
        "The function starts something after its token may have been cancelled.",
    ),
    (
        Verdict::Ends,
        "The function goes on after its token may have been cancelled.",
    ),
];

pub(crate) fn report(audit: &Audit<'_>) -> String {
    let rules = RULES
        .map(|(verdict, text)| json!({ "id": verdict.id(), "shortDescription": { "text": text } }));
    let results: Vec<Value> = audit.shown.iter().map(result).collect();
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo-cancel-guarded",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "results": results,
        }],
    });
    format!("{report:#}\n")
}

fn result(finding: &Finding<'_>) -> Value {
    let function = finding.function;
    let message = format!(
        "`{}` {} after `{}` is cancelled: {}",
        function.qualified,
        finding.verdict.words(),
        finding.token,
        timeline(finding)
    );
    json!({
        "ruleId": finding.verdict.id(),
        "level": "warning",
        "message": { "text": message },
        "rank": finding.score,
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": finding.file.path },
            "region": { "startLine": function.line },
        } }],
        "partialFingerprints": {
            "function": format!("{} {}", finding.file.path, function.qualified),
        },
    })
}
