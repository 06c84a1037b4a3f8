//! Tests of single parts, and of files that no person wrote.

mod mutated;

use crate::comment;
use crate::depth;
use crate::model::Comment;
use crate::words;

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
