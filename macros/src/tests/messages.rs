//! The errors of `tests/ui`, word for word and place for place, without rustc.
//!
//! There they are pinned as their reader sees them, at the price of a compiler run for each file.
//! Here the macros alone read the same files: a changed message, or one at other tokens, is found
//! within a second.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::Meta;

use super::{compile_errors, line_and_column};
use crate::syntax::path_ends_in;

/// Where rustc has something to say of its own, or another attribute has been at work first.
const NOT_OURS_ALONE: [&str; 6] = [
    "attribute_order/below_one_that_blocks",
    "body/returns/not_send",
    "body/shielded/outside_of_a_start",
    "forms/const_async_fn",
    "half_typed",
    "lints",
];

/// An error as `LINE:COLUMN`, and what it says.
type Told = (String, String);

#[test]
fn errors_are_those_of_the_ui_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ui");
    if !folder.is_dir() {
        eprintln!("skipped: the packaged crate is without ../tests/ui");
        return;
    }
    let inputs = inputs(&folder);
    assert!(!inputs.is_empty(), "no input in {}", folder.display());
    for input in inputs {
        let name = input.strip_prefix(&folder).expect("it is in the folder");
        if NOT_OURS_ALONE.iter().any(|other| {
            let other = Path::new(other);
            name.with_extension("").starts_with(other)
        }) {
            continue;
        }
        let source = fs::read_to_string(&input).expect("the input can be read");
        let stderr = input.with_extension("stderr");
        // A case that compiles has none.
        let stderr = fs::read_to_string(stderr).unwrap_or_default();
        let mut told = Vec::new();
        expand_all(source.parse().expect("the input is Rust"), &mut told);
        told.sort();
        assert_eq!(told, pinned(&stderr), "{}", name.display());
    }
}

#[test]
fn every_text_of_a_check_is_in_a_ui_test() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let folder = sources.join("../../tests/ui");
    if !folder.is_dir() {
        eprintln!("skipped: the packaged crate is without ../tests/ui");
        return;
    }
    let mut pinned = String::new();
    for input in inputs(&folder) {
        pinned += &fs::read_to_string(input.with_extension("stderr")).unwrap_or_default();
    }
    let mut texts = Vec::new();
    let mut files = inputs(&sources.join("check"));
    // The walk through the body reports nothing by itself.
    files.retain(|file| !file.starts_with(sources.join("check/flow")));
    files.push(sources.join("args.rs"));
    for file in files {
        let source = fs::read_to_string(file).expect("the source can be read");
        texts_in(source.parse().expect("the source is Rust"), &mut texts);
    }
    assert!(texts.len() > 50, "only {} were found", texts.len());
    texts.retain(|text| !fixed_parts(text).iter().all(|part| pinned.contains(part)));
    assert!(texts.is_empty(), "in no .stderr: {texts:#?}");
}

/// The string literals of at least four words, those of attributes and comments aside.
fn texts_in(tokens: TokenStream, texts: &mut Vec<String>) {
    let mut is_attribute = false;
    for tree in tokens {
        match &tree {
            TokenTree::Group(group) if !is_attribute => texts_in(group.stream(), texts),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    let text = text.value();
                    texts.extend((text.split_whitespace().count() >= 4).then_some(text));
                }
            }
            _ => {}
        }
        is_attribute = match &tree {
            TokenTree::Punct(punct) => punct.as_char() == '#' || is_attribute,
            _ => false,
        };
    }
}

/// The text of a format string, without its arguments.
fn fixed_parts(text: &str) -> Vec<String> {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let parts = text.split('{').enumerate().map(|(position, part)| {
        let fixed = match part.split_once('}') {
            Some((_, fixed)) if position > 0 => fixed,
            _ => part,
        };
        fixed.replace('\u{1}', "{").replace('\u{2}', "}")
    });
    parts.collect()
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut inputs = Vec::new();
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            inputs.extend(self::inputs(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            inputs.push(path);
        }
    }
    inputs.sort();
    inputs
}

/// Our errors in a `.stderr`. Those with a number are rustc's.
fn pinned(stderr: &str) -> Vec<Told> {
    let lines = stderr.lines().zip(stderr.lines().skip(1));
    let mut pinned: Vec<Told> = lines
        .filter_map(|(error, arrow)| {
            let message = error.strip_prefix("error: ")?;
            let (_, place) = arrow.split_once(".rs:")?;
            Some((place.to_owned(), message.to_owned()))
        })
        .collect();
    pinned.sort();
    pinned
}

/// Expands each of our macros in a file. The tokens need not be those of a function.
fn expand_all(tokens: TokenStream, told: &mut Vec<Told>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = trees.as_slice();
    while let [tree, after @ ..] = rest {
        if let TokenTree::Group(group) = tree {
            if let Some(meta) = attribute(group) {
                let args = match &meta {
                    Meta::List(list) => list.tokens.clone(),
                    _ => TokenStream::new(),
                };
                if path_ends_in(meta.path(), "cancel_guarded") {
                    errors(crate::driver::cancel_guarded(args, first_item(after)), told);
                } else if meta.path().is_ident("derive") && is_of_state(args) {
                    errors(crate::derive_state::state(first_item(after)), told);
                }
            }
            expand_all(group.stream(), told);
        }
        rest = after;
    }
}

fn attribute(group: &Group) -> Option<Meta> {
    let is_one = group.delimiter() == Delimiter::Bracket;
    is_one.then(|| syn::parse2(group.stream()).ok()).flatten()
}

fn is_of_state(derived: TokenStream) -> bool {
    derived
        .into_iter()
        .any(|tree| matches!(tree, TokenTree::Ident(name) if name == "State"))
}

/// What there is up to the first braces, or to a `;`.
fn first_item(trees: &[TokenTree]) -> TokenStream {
    let is_end = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let length = trees.iter().position(is_end).map_or(0, |end| end + 1);
    trees.iter().take(length).cloned().collect()
}

/// Each `compile_error!` of an expansion.
fn errors(expanded: TokenStream, told: &mut Vec<Told>) {
    let errors = compile_errors(expanded).into_iter();
    told.extend(errors.map(|(place, message)| (line_and_column(place), message)));
}
