//! `cargo cancel-guarded`: finds the starts that nothing guards.
//!
//! It reads a workspace as text. `files` finds and reads the files, `source` takes their functions
//! out of the syntax trees, `walk` lists what each function does, `index` knows how the functions
//! of a package call each other. `score` and `enforce` decide, `report` prints.

mod audit;
mod baseline;
mod cli;
mod comment;
mod config;
mod depth;
mod enforce;
mod files;
mod fix;
mod index;
mod looks;
mod model;
mod report;
mod score;
mod select;
mod source;
#[cfg(test)]
mod tests;
mod walk;
mod words;

/// The macro's own reading of functions, in the files of the macro's crate: a crate of macros
/// cannot export it.
#[allow(dead_code, reason = "the macro needs more of it")]
#[path = "../../macros/src/check"]
mod check {
    pub(crate) mod flow;
    pub(crate) mod mode;
    mod waits;
}
#[allow(dead_code, reason = "the macro needs more of it")]
#[path = "../../macros/src/syntax.rs"]
mod syntax;
#[allow(dead_code, reason = "the macro needs more of it")]
#[path = "../../macros/src/token_param.rs"]
mod token_param;
#[allow(dead_code, reason = "the macro needs more of it")]
#[path = "../../macros/src/visit.rs"]
mod visit;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
