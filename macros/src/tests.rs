//! The macros as functions from tokens to tokens.

// A `quote!` stands best where it is used.
#![allow(clippy::needless_pass_by_value)]

mod arguments;
mod bodies;
mod body_refusals;
mod forms;
mod messages;
mod mode;
mod params;
mod places;
mod refusals;
mod runs;
mod sections;
mod snapshots;
mod states;
mod tasks;
mod wrappers;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;

/// The expansion of an item under `#[cancel_guarded(ARGS)]`.
fn guarded(args: TokenStream, item: TokenStream) -> String {
    pretty(crate::driver::cancel_guarded(args, item))
}

/// The statements of the block that the guard runs, one line each.
fn guarded_body(args: TokenStream, body: TokenStream) -> Vec<String> {
    body_lines(
        args,
        quote!(async fn start(shutdown: &CancellationToken) { #body }),
    )
}

/// The same for a whole function.
fn body_lines(args: TokenStream, item: TokenStream) -> Vec<String> {
    let function: syn::ItemFn =
        syn::parse2(crate::driver::cancel_guarded(args, item)).expect("one function");
    let mut calls = function.block.stmts.iter().filter_map(|stmt| {
        let syn::Stmt::Local(local) = stmt else {
            return None;
        };
        let call = match &*local.init.as_ref()?.expr {
            syn::Expr::Await(awaited) => &*awaited.base,
            sync => sync,
        };
        match call {
            syn::Expr::MethodCall(call) => Some(call),
            _ => None,
        }
    });
    let drive = calls.next_back().expect("the call");
    let stmts = match drive.args.last().expect("the body") {
        syn::Expr::Async(body) => &body.block.stmts,
        syn::Expr::Closure(body) => match &*body.body {
            syn::Expr::Block(block) => &block.block.stmts,
            _ => panic!("the body is a block"),
        },
        _ => panic!("the body is a block"),
    };
    let is_hint = |line: &String| line.contains("Option::Some(__ret)");
    let lines = stmts.iter().map(one_line);
    lines.filter(|line| !is_hint(line)).collect()
}

fn one_line(tokens: impl quote::ToTokens) -> String {
    // The trailing comma is prettyplease's.
    let line = crate::syntax::to_source(&tokens).replace(",)", ")");
    without_allowed_lints(&line)
}

/// The messages of the errors that an item gets.
fn errors(args: TokenStream, item: TokenStream) -> Vec<String> {
    messages(crate::driver::cancel_guarded(args, item))
}

fn messages(tokens: TokenStream) -> Vec<String> {
    let errors = compile_errors(tokens).into_iter();
    errors.map(|(_, message)| message).collect()
}

/// The `compile_error!`s among items, each with its place. The items need not be complete.
fn compile_errors(tokens: TokenStream) -> Vec<(Span, String)> {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let errors = trees.windows(3).filter_map(|three| match three {
        [
            TokenTree::Ident(name),
            TokenTree::Punct(_),
            TokenTree::Group(message),
        ] if name == "compile_error" => {
            let message: syn::LitStr = syn::parse2(message.stream()).expect("a message");
            Some((name.span(), message.value()))
        }
        _ => None,
    });
    errors.collect()
}

/// A place as rustc writes it.
fn line_and_column(place: Span) -> String {
    let start = place.start();
    format!("{}:{}", start.line, start.column + 1)
}

/// Removes the attributes of the statements that give a variable to the body.
fn without_allowed_lints(text: &str) -> String {
    let mut parts = text.split("#[allow(");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once(")]") {
        Some((lints, rest)) if lints.trim_start().starts_with("clippy::shadow_reuse") => {
            text + rest.trim_start()
        }
        _ => text + "#[allow(" + part,
    })
}

fn pretty(tokens: TokenStream) -> String {
    let file: syn::File = syn::parse2(tokens.clone())
        .unwrap_or_else(|error| panic!("{error} in the output: {tokens}"));
    without_allowed_lints(&prettyplease::unparse(&file))
}

/// Compares texts line by line, whatever their indentation.
#[track_caller]
fn assert_lines(found: &str, expected: &str) {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    assert_eq!(lines(found), lines(expected), "the expansion is\n{found}");
}
