//! `cargo cancel-guarded check`: every function that takes or holds a token, and spawns or
//! publishes, is settled.

use crate::baseline::Baseline;
use crate::index::Index;
use crate::model::{Comment, Function, Guard, Kind, SourceFile};

/// A function that is not settled.
pub(crate) struct Violation<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) function: &'a Function,
    token: String,
    what: &'static str,
    line: usize,
}

impl Violation<'_> {
    /// The line that the command prints.
    pub(crate) fn message(&self) -> String {
        let Self {
            file,
            function,
            token,
            what,
            line,
        } = self;
        let settle = match function.comment {
            Comment::NoReason => "its comment gives no reason: write `ok because ..`",
            _ => "guard it, or write `// cancel-guarded: ok because ..` above it",
        };
        let verb = if function.token.is_some() {
            "takes"
        } else {
            "holds"
        };
        format!(
            "{}:{}: `{}` {verb} `{token}` and {what} at line {line}; {settle}",
            file.path, function.line, function.qualified,
        )
    }
}

/// The functions that are not settled, in the order of their files.
pub(crate) fn violations<'a>(files: &'a [SourceFile], baseline: &Baseline) -> Vec<Violation<'a>> {
    let index = Index::new(files);
    let mut violations = Vec::new();
    for file in files {
        for function in &file.functions {
            let is_settled = function.guard != Guard::None
                || function.comment == Comment::Ok
                || function.is_test
                || baseline.contains(file, function);
            if !is_settled {
                violations.extend(violation(&index, file, function));
            }
        }
    }
    violations
}

fn violation<'a>(
    index: &Index<'_>,
    file: &'a SourceFile,
    function: &'a Function,
) -> Option<Violation<'a>> {
    let held = index.held_token(file, function);
    let token = function
        .token
        .clone()
        .or_else(|| held.map(|field| format!("self.{field}")))?;
    let (what, event) = function.events.iter().find_map(|event| {
        let what = match &event.kind {
            Kind::Spawn(spawn) if !spawn.is_owned => "spawns",
            Kind::Publish(_) => "publishes",
            _ => return None,
        };
        Some((what, event))
    })?;
    Some(Violation {
        file,
        function,
        token,
        what,
        line: event.line,
    })
}
