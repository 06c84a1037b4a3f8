//! Tests of single parts, and of files that no person wrote.

mod mutated;

use crate::index::Index;
use crate::model::{Comment, Guard, SourceFile};
use crate::{comment, depth, score, source, words};

#[test]
fn the_words_of_a_name() {
    assert_eq!(words::words("isRunning"), ["is", "running"]);
    assert_eq!(words::words("SERVICE_RUNNING"), ["service", "running"]);
    assert!(words::is_ready("State::Running") && !words::is_ready("NotReady"));
    assert!(words::is_start_call("start_server") && !words::is_start_call("start_draining"));
}

#[test]
fn a_comment_needs_a_reason() {
    let find = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        comment::find(&lines, lines.len(), lines.len())
    };
    assert_eq!(find("fn f() {}"), Comment::None);
    assert_eq!(
        find("// cancel-guarded: ok because it is.\nfn f() {}"),
        Comment::Ok
    );
    assert_eq!(
        find("// cancel-guarded: ok because .\nfn f() {}"),
        Comment::NoReason
    );
    let other = "// cancel-guarded: ok because it is.\nfn g() {}\nfn f() {}";
    assert_eq!(find(other), Comment::None);
}

#[test]
fn deep_nesting_is_refused() {
    assert_eq!(depth::too_deep(&"{}".repeat(10_000)), None);
    assert!(depth::too_deep(&"(".repeat(10_000)).is_some());
    assert!(depth::too_deep(&"!".repeat(10_000)).is_some());
    assert_eq!(depth::too_deep(&format!("// {}", "=".repeat(10_000))), None);
}

#[test]
fn the_guide_about_adopting_has_befores_that_are_found_and_afters_that_are_guarded() {
    let mut file = SourceFile::default();
    source::read(include_str!("../../examples/guides/adopting.rs"), &mut file);
    let files = [file];
    let index = Index::new(&files);
    let mut found = Vec::new();
    for file in &files {
        for function in file.functions.iter().filter(|function| !function.is_test) {
            let finding = score::score(&index, file, function);
            if function.guard == Guard::None && finding.is_some_and(|finding| finding.score >= 60) {
                found.push(function.qualified.as_str());
            }
        }
    }
    assert_eq!(
        found,
        [
            "flag_before::Poller::start",
            "loop_before::Poller::run",
            "ready_before::start"
        ]
    );
}
