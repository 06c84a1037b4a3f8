//! The baseline: the functions that are settled for now, one a line, so that a team can begin
//! today. A line names the file and the function, and no line number: edits leave it valid.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::model::{Function, SourceFile};

const HEADER: &str = "\
# Functions that cargo-cancel-guarded leaves out: a file and a function a line.
# Delete a line when its function is guarded.
";

#[derive(Default)]
pub(crate) struct Baseline {
    lines: BTreeSet<String>,
}

impl Baseline {
    /// Reads a baseline; a file that is missing is an empty one.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(Self {
            lines: lines.map(str::to_owned).collect(),
        })
    }

    pub(crate) fn contains(&self, file: &SourceFile, function: &Function) -> bool {
        self.lines.contains(&line(file, function))
    }

    pub(crate) fn insert(&mut self, file: &SourceFile, function: &Function) {
        self.lines.insert(line(file, function));
    }

    /// Removes the lines that name no function of these files.
    pub(crate) fn remove_unused(&mut self, files: &[SourceFile]) {
        let unused: Vec<String> = self.unused(files).into_iter().map(str::to_owned).collect();
        for line in unused {
            self.lines.remove(&line);
        }
    }

    /// The lines that name no function of these files.
    pub(crate) fn unused(&self, files: &[SourceFile]) -> Vec<&str> {
        let mut known = BTreeSet::new();
        for file in files {
            known.extend(file.functions.iter().map(|function| line(file, function)));
        }
        let unused = self.lines.iter().filter(|line| !known.contains(*line));
        unused.map(String::as_str).collect()
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = HEADER.to_owned();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        fs::write(path, text)
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

fn line(file: &SourceFile, function: &Function) -> String {
    format!("{} {}", file.path, function.qualified)
}
