//! Refuses text that would overflow the stack of a recursive parser.

/// More nested brackets, or prefix operators in a row, than people write.
const LIMIT: usize = 400;

/// Where the text is nested too deeply: the line and the column, from 1.
///
/// It counts brackets in comments and strings too, so it is only an estimate; the limit is far
/// from the nesting of real code.
pub(crate) fn too_deep(text: &str) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut row = 0_usize;
    for (index, line) in text.lines().enumerate() {
        let line_start = depth;
        for (column, c) in line.chars().enumerate() {
            match c {
                '(' | '[' | '{' | '<' => depth += usize::from(c != '<'),
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            // Operators and keywords that nest without brackets.
            match c {
                '!' | '-' | '*' | '&' | '|' | '<' | '?' | '=' | '.' | ':' | '+' | ',' | '/' => {
                    row += 1;
                }
                c if c.is_whitespace() => {}
                _ if row > 0 && c.is_alphanumeric() => row = 0,
                _ => {}
            }
            if depth > LIMIT || row > LIMIT && !line.trim_start().starts_with("//") {
                return Some((index + 1, column + 1));
            }
        }
        if line.trim_start().starts_with("//") {
            (depth, row) = (line_start, 0);
        }
    }
    None
}
