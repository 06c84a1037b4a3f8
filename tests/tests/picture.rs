//! The picture of the lifecycle is one file, `runtime/docs/lifecycle.svg`. The front page of the
//! docs has a copy of it in a link. The copy must match the file.
//!
//! To update it, run `PICTURE=overwrite cargo test -p cancel-guarded-tests --test picture`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const LINK: &str = "[picture]: ";

#[test]
fn the_front_page_copy_matches_the_picture() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/docs");
    let svg = fs::read_to_string(docs.join("lifecycle.svg")).expect("the picture is there");
    let links = docs.join("front-page-links.md");
    let text = fs::read_to_string(&links).expect("the links are there");
    let (others, copy) = text.split_once(LINK).expect("a link to the picture");

    let expected = format!("data:image/svg+xml,{}\n", percent_encoded(&svg));
    if std::env::var_os("PICTURE").is_some_and(|value| value == "overwrite") {
        fs::write(&links, format!("{others}{LINK}{expected}")).expect("it can be written");
    } else {
        assert!(
            copy == expected,
            "runtime/docs/front-page-links.md has another picture than runtime/docs/lifecycle.svg; \
             to make it anew, `PICTURE=overwrite cargo test -p cancel-guarded-tests --test picture`"
        );
    }
}

/// A blank line would end the HTML block around the picture in the guide.
#[test]
fn the_picture_has_no_blank_line() {
    let svg = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/docs/lifecycle.svg");
    let svg = fs::read_to_string(svg).expect("the picture is there");
    assert!(svg.lines().all(|line| !line.trim().is_empty()));
}

/// Encodes `text` for a link in Markdown.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,:;/=?@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
