//! The public interface of both libraries, with all features, is the list in `public_api.txt`. A
//! reviewer sees every change to it there.
//!
//! To update it, run `PUBLIC_API=overwrite cargo test -p cancel-guarded-tests --test public_api`.
//!
//! rustdoc writes the items as JSON, and the crate `public-api` formats them. The JSON is an
//! unstable feature, which `RUSTC_BOOTSTRAP` enables on the toolchain of `rust-toolchain.toml`. Its
//! format changes with the toolchain. The list has no hidden items, no guides and no defaults of
//! type parameters.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use public_api::tokens::Token;
use public_api::{Builder, PublicItem};

#[test]
fn the_public_interface_is_the_listed_one() {
    let docs = rustdoc_json();
    let mut actual = String::new();
    for library in ["cancel_guarded", "cancel_guarded_macros"] {
        let json = docs.join(library).with_extension("json");
        for line in listed(&json) {
            let _ = writeln!(actual, "{line}");
        }
    }

    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("public_api.txt");
    if env::var_os("PUBLIC_API").is_some_and(|value| value == "overwrite") {
        fs::write(&list, actual).expect("the list can be written");
        return;
    }
    let expected = fs::read_to_string(&list).unwrap_or_default();
    let gone = missing_from(&actual, &expected, '-');
    let new = missing_from(&expected, &actual, '+');
    assert!(
        actual == expected,
        "the public interface is not that of tests/public_api.txt:\n{gone}{new}\
         if that is meant, `PUBLIC_API=overwrite cargo test -p cancel-guarded-tests --test public_api`"
    );
}

/// Builds the docs of both libraries as JSON, and returns their folder.
fn rustdoc_json() -> std::path::PathBuf {
    // A separate folder, because the flags differ from those of this test run.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public_api");
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs this"));
    cargo.args(["doc", "--locked", "--no-deps", "--all-features"]);
    cargo.args(["-p", "cancel-guarded", "-p", "cancel-guarded-macros"]);
    cargo.arg("--target-dir").arg(&target);
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo.env(
        "RUSTDOCFLAGS",
        "-Z unstable-options --output-format json --cap-lints allow",
    );
    let output = cargo.output().expect("cargo can be run");
    assert!(
        output.status.success(),
        "rustdoc failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target.join("doc")
}

/// The items of one library, a line each.
fn listed(json: &Path) -> Vec<String> {
    let api = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .build()
        .unwrap_or_else(|error| {
            let json = json.display();
            panic!("{json} cannot be read, is it another toolchain's? {error}")
        });
    let mut lines = Vec::new();
    let mut of_impl = Listed::Whole;
    for item in api.items() {
        let line = in_words(item);
        if line.starts_with("impl") {
            of_impl = Listed::of(&line);
        } else if !line.starts_with("pub fn") && !line.starts_with("pub type") {
            of_impl = Listed::Whole;
        }
        let is_method = line.starts_with("pub fn");
        let is_listed = match of_impl {
            Listed::Whole => true,
            Listed::Headline => !is_method,
            Listed::Not => false,
        };
        if is_listed && !line.contains("cancel_guarded::guide") {
            lines.push(line);
        }
    }
    assert!(!lines.is_empty(), "nothing in {}", json.display());
    lines
}

/// How much of an impl is listed.
#[derive(Clone, Copy)]
enum Listed {
    Whole,
    /// The methods of `Clone` and the like are known.
    Headline,
    /// Users cannot name the trait.
    Not,
}

impl Listed {
    fn of(line: &str) -> Self {
        const UNSTABLE: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

        // An impl without a trait is for a type of these libraries.
        let Some((before, _)) = line.split_once(" for ") else {
            return Self::Whole;
        };
        let path = before.rsplit(' ').next().unwrap_or(before);
        let name = path.rsplit("::").next().unwrap_or(path);
        let is_hidden = path.starts_with("cancel_guarded::attempt::");
        if is_hidden || UNSTABLE.contains(&name) {
            Self::Not
        } else if path.starts_with("cancel_guarded::") {
            Self::Whole
        } else {
            Self::Headline
        }
    }
}

/// Formats an item with `public-api`, which forgets the colon of `Future<Output: Outcome>`.
fn in_words(item: &PublicItem) -> String {
    let mut line = String::new();
    let mut after_name = false;
    for token in item.tokens() {
        let is_name = matches!(token, Token::Identifier(_) | Token::Type(_));
        if after_name && is_name {
            line.push_str(": ");
        }
        line.push_str(token.text());
        after_name = is_name;
    }
    line
}

/// Returns the lines of `other` that are not in `text`.
fn missing_from(text: &str, other: &str, sign: char) -> String {
    let mut missing = String::new();
    for line in other.lines() {
        if !text.lines().any(|same| same == line) {
            let _ = writeln!(missing, "{sign}{line}");
        }
    }
    missing
}
