//! `cargo cancel-guarded audit`: what may come late, the most certain first.

use crate::baseline::Baseline;
use crate::config::Config;
use crate::index::Index;
use crate::model::{Comment, Guard, SourceFile};
use crate::score::{self, Finding};

/// The findings of a workspace.
pub(crate) struct Audit<'a> {
    /// Those to show, the most certain first.
    pub(crate) shown: Vec<Finding<'a>>,
    /// How many have fewer points than the threshold.
    pub(crate) below: usize,
    /// How many the baseline settles.
    pub(crate) in_baseline: usize,
}

/// Finds what is left to settle. `shows_all` shows the findings below the threshold too.
pub(crate) fn audit<'a>(
    files: &'a [SourceFile],
    config: &Config,
    baseline: &Baseline,
    shows_all: bool,
) -> Audit<'a> {
    let index = Index::new(files);
    let mut audit = Audit {
        shown: Vec::new(),
        below: 0,
        in_baseline: 0,
    };
    for file in files {
        for function in &file.functions {
            let is_settled = function.guard != Guard::None
                || function.comment == Comment::Ok
                || function.is_test;
            if is_settled {
                continue;
            }
            let Some(finding) = score::score(&index, file, function) else {
                continue;
            };
            if baseline.contains(file, function) {
                audit.in_baseline += 1;
            } else if finding.score >= config.threshold || shows_all {
                audit.shown.push(finding);
            } else {
                audit.below += 1;
            }
        }
    }
    // The files are in the order of their paths, and the sort is stable.
    audit
        .shown
        .sort_by_key(|finding| std::cmp::Reverse(finding.score));
    audit
}
