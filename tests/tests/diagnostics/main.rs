//! rustc reports the same errors and warnings for a guarded function as without the attribute, and
//! neither rustc nor clippy offers to change it otherwise.
//!
//! Each program is compiled twice, with and without the attribute, and the reports are compared:
//! code, message, place and label of every error and warning. Notes and helps may differ, but never
//! point at generated code. The changes of `cargo fix` and `cargo clippy --fix` are compared, too.
//!
//! The programs are binaries of one package in the target folder, checked in one run of each tool.

mod accepted;
mod errors;
mod fixes;
mod harness;
mod warnings;

use std::sync::OnceLock;

use harness::{Said, check};

/// The reports of all programs.
fn said() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(|| {
        let programs = [
            accepted::PROGRAMS,
            errors::PROGRAMS,
            fixes::PROGRAMS,
            warnings::PROGRAMS,
        ];
        check("check", &programs.concat())
    })
}
