//! One block a finding, for people.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::timeline::{action, timeline};
use crate::audit::Audit;
use crate::fix;
use crate::score::Finding;

/// The whole report.
pub(crate) fn report(audit: &Audit<'_>, threshold: i64, has_colours: bool) -> String {
    let mut text = String::new();
    for finding in &audit.shown {
        // Read again: few files have findings, and the others need not stay in memory.
        let source = fs::read_to_string(&finding.file.on_disk).unwrap_or_default();
        block(finding, &source, has_colours, &mut text);
    }
    let count = audit.shown.len();
    let _ = write!(
        text,
        "{count} {}",
        if count == 1 { "finding" } else { "findings" }
    );
    if audit.below > 0 {
        let _ = write!(
            text,
            "; {} below {threshold} points, which `--all` shows",
            audit.below
        );
    }
    if audit.in_baseline > 0 {
        let _ = write!(text, "; {} in the baseline", audit.in_baseline);
    }
    text.push('\n');
    text
}

/// Adds the block of a finding in this source.
pub(crate) fn block(finding: &Finding<'_>, source: &str, has_colours: bool, text: &mut String) {
    let function = finding.function;
    let title = format!(
        "`{}` {} after `{}` is cancelled ({} points)",
        function.qualified,
        finding.verdict.words(),
        finding.token,
        finding.score
    );
    let mut snippet = Snippet::source(source)
        .path(&finding.file.path)
        .annotations(
            visible(source, &function.range).map(|range| AnnotationKind::Primary.span(range)),
        );
    let indexes = std::iter::once(&finding.awaits).chain(&finding.late);
    let mut shown = Vec::new();
    for event in indexes.filter_map(|&index| function.events.get(index)) {
        if shown.contains(&event.line) {
            continue;
        }
        shown.push(event.line);
        let range = visible(source, &event.range);
        snippet = snippet.annotations(
            range.map(|range| AnnotationKind::Context.span(range).label(action(event))),
        );
    }
    let group = Level::WARNING
        .primary_title(&title)
        .element(snippet)
        .element(Level::NOTE.message(timeline(finding)));
    let renderer = if has_colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    text.push_str(&renderer.render(&[group]));
    text.push('\n');
    for line in fix::sketch(finding, source) {
        let colour = match (has_colours, line.as_bytes().first()) {
            (true, Some(b'+')) => "\x1b[32m",
            (true, Some(b'-')) => "\x1b[31m",
            _ => "",
        };
        let reset = if colour.is_empty() { "" } else { "\x1b[0m" };
        let _ = writeln!(text, "   {colour}{line}{reset}");
    }
    text.push('\n');
}

/// The first line of a range, if the text has it.
fn visible(source: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let text = source.get(range.clone())?;
    let first_line = text.lines().next().unwrap_or("");
    Some(range.start..range.start + first_line.len())
}
