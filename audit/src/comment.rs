//! `// cancel-guarded: ok because ..`, the comment that settles a function.

use crate::model::Comment;

const MARK: &str = "cancel-guarded:";

/// Looks for the comment among the lines above a function. `first_line` is the line of its first
/// attribute or doc comment, `fn_line` that of its `fn`; both count from 1.
pub(crate) fn find(lines: &[&str], first_line: usize, fn_line: usize) -> Comment {
    let is_comment = |line: &str| line.trim_start().starts_with("//");
    let end = fn_line.saturating_sub(1).min(lines.len());
    let mut start = first_line.saturating_sub(1).min(end);
    while start > 0 && lines.get(start - 1).is_some_and(|line| is_comment(line)) {
        start -= 1;
    }
    let mut above = lines.get(start..end).unwrap_or_default().iter();
    let Some(line) = above.find(|line| is_comment(line) && line.contains(MARK)) else {
        return Comment::None;
    };
    let text = line.split(MARK).nth(1).unwrap_or_default().trim();
    let reason = text.strip_prefix("ok because").map(str::trim);
    if reason.is_some_and(|reason| reason.chars().any(char::is_alphanumeric)) {
        Comment::Ok
    } else {
        Comment::NoReason
    }
}
