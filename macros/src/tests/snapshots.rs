//! The expansions, as files: `tests/expand/NAME.rs` becomes `tests/expand/NAME.expanded.rs`.
//!
//! To regenerate them, `EXPAND=overwrite cargo test -p cancel-guarded-macros`. Then read the
//! difference: somebody will, in their own service, with `cargo expand`.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, Parser as _};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItem, Item, ItemEnum, TraitItem};

use crate::syntax::path_ends_in;

#[test]
fn expansions_are_as_they_were() {
    let Some(folder) = folder() else { return };
    let overwrite = std::env::var_os("EXPAND").is_some_and(|value| value == "overwrite");
    let mut differ = Vec::new();
    for input in inputs(&folder) {
        let source = fs::read_to_string(&input).expect("the input is there");
        let expanded = expand(&source);
        let snapshot = input.with_extension("expanded.rs");
        if overwrite {
            fs::write(&snapshot, expanded).expect("the snapshot can be written");
        } else if fs::read_to_string(&snapshot).ok().as_deref() != Some(&*expanded) {
            differ.push(format!("{}:\n{expanded}", snapshot.display()));
        }
    }
    assert!(
        differ.is_empty(),
        "{}\nIf that is meant, `EXPAND=overwrite cargo test -p cancel-guarded-macros`.",
        differ.join("\n")
    );
}

/// The folder of the snapshots, if this is not the packaged crate.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/expand");
    if !folder.is_dir() {
        eprintln!("skipped: the packaged crate is without ../tests/expand");
        return None;
    }
    Some(folder)
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut inputs: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| {
            !path
                .with_extension("")
                .to_string_lossy()
                .ends_with(".expanded")
        })
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no input in {}", folder.display());
    inputs
}

fn expand(source: &str) -> String {
    let mut file = syn::parse_file(source).expect("the input is Rust");
    ExpandAll.visit_file_mut(&mut file);
    let items = std::mem::take(&mut file.items);
    file.items = items.into_iter().flat_map(derived).collect();
    prettyplease::unparse(&file)
}

struct ExpandAll;

impl VisitMut for ExpandAll {
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Fn(function) => replace(function, |function| &mut function.attrs),
            item => visit_mut::visit_item_mut(self, item),
        }
    }

    fn visit_impl_item_mut(&mut self, item: &mut ImplItem) {
        if let ImplItem::Fn(function) = item {
            replace(function, |function| &mut function.attrs);
        }
    }

    fn visit_trait_item_mut(&mut self, item: &mut TraitItem) {
        if let TraitItem::Fn(function) = item {
            replace(function, |function| &mut function.attrs);
        }
    }
}

fn replace<T: Parse + ToTokens>(function: &mut T, attrs: fn(&mut T) -> &mut Vec<Attribute>) {
    let of_function = attrs(function);
    let is_ours = |attr: &Attribute| path_ends_in(attr.path(), "cancel_guarded");
    let Some(position) = of_function.iter().position(is_ours) else {
        return;
    };
    let args = match of_function.remove(position).meta {
        syn::Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    let expanded = crate::driver::cancel_guarded(args, function.to_token_stream());
    *function = syn::parse2(expanded.clone()).unwrap_or_else(|error| panic!("{error}: {expanded}"));
}

/// An item, and what `#[derive(State)]` adds to it.
fn derived(item: Item) -> Vec<Item> {
    let Item::Enum(mut item) = item else {
        return vec![item];
    };
    let added = crate::derive_state::state(item.to_token_stream());
    if !take_derive(&mut item) {
        return vec![Item::Enum(item)];
    }
    for variant in &mut item.variants {
        variant.attrs.retain(|attr| !attr.path().is_ident("state"));
    }
    vec![
        Item::Enum(item),
        syn::parse2(added).expect("one implementation"),
    ]
}

/// Takes `State` out of the `#[derive(..)]` of an enum.
fn take_derive(item: &mut ItemEnum) -> bool {
    let mut taken = false;
    for attr in &mut item.attrs {
        if !attr.path().is_ident("derive") {
            continue;
        }
        let syn::Meta::List(list) = &mut attr.meta else {
            continue;
        };
        let parse = syn::punctuated::Punctuated::<syn::Path, syn::Token![,]>::parse_terminated;
        let paths = parse.parse2(list.tokens.clone()).expect("paths");
        let rest = paths.iter().filter(|path| !path.is_ident("State"));
        taken |= rest.clone().count() < paths.len();
        list.tokens = quote::quote_spanned!(Span::call_site()=> #(#rest),*);
    }
    taken
}
