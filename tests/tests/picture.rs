//! The picture of the lifecycle, `runtime/docs/lifecycle.svg`, can stand in Markdown.

use std::fs;
use std::path::Path;

/// A blank line would end the HTML block around the picture in the guide.
#[test]
fn the_picture_has_no_blank_line() {
    let svg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/docs/lifecycle.svg");
    let svg = fs::read_to_string(svg).expect("the picture is there");
    assert!(svg.lines().all(|line| !line.trim().is_empty()));
}
