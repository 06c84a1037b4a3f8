//! Start or run: what is taken for a run, and why.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, FnArg, Item, ItemFn, Pat, parse_quote};

use crate::check::flow::{Flow, Subject};
use crate::check::mode::{own_waits, run_evidence};

/// What is said about a function; `None` if it is taken for a start.
fn question(function: &ItemFn) -> Option<String> {
    let token = token_of(function);
    let flow = Flow::of(
        &function.block.stmts,
        Subject {
            token: token.as_ref(),
            ..Subject::default()
        },
    );
    let name = token.map_or_else(
        || "?".to_owned(),
        |token| token.to_token_stream().to_string(),
    );
    match run_evidence(&function.sig, &flow) {
        Some(evidence) => Some(evidence.phrase(&name)),
        None => own_waits(&flow)
            .first()
            .map(|wait| format!("two owners: {}", wait.at)),
    }
}

/// The argument of `#[token(..)]`, or the one parameter that is a token.
fn token_of(function: &ItemFn) -> Option<Expr> {
    for attr in &function.attrs {
        if attr.path().is_ident("token") {
            return attr.parse_args().ok();
        }
    }
    function.sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(input) if is_token_type(input.ty.to_token_stream()) => match &*input.pat {
            Pat::Ident(pat) => {
                let ident = &pat.ident;
                Some(parse_quote!(#ident))
            }
            _ => None,
        },
        _ => None,
    })
}

fn is_token_type(ty: TokenStream) -> bool {
    ty.to_string().contains("CancellationToken")
}

fn functions(text: &str) -> Vec<ItemFn> {
    let file = syn::parse_file(text).expect("the fixture is Rust");
    let functions = file.items.into_iter().map(|item| match item {
        Item::Fn(function) => function,
        item => panic!("not a function: {}", item.to_token_stream()),
    });
    functions.collect()
}

#[test]
fn the_shapes_of_the_fixture_are_told_apart() {
    let runs = functions(include_str!("shapes/runs.rs"));
    let starts = functions(include_str!("shapes/starts.rs"));
    let mut table = String::new();
    let mut mistakes = 0;
    for (is_run, shapes) in [(true, &runs), (false, &starts)] {
        for function in shapes {
            let question = question(function);
            let is_mistake = question.is_some() != is_run;
            mistakes += usize::from(is_mistake);
            let (mark, is) = (
                if is_mistake { "!" } else { " " },
                if is_run { "run" } else { "start" },
            );
            let said = question.as_deref().unwrap_or("-");
            writeln!(table, "{mark} {is:5} {:20} {said}", function.sig.ident).expect("a line");
        }
    }
    assert!(runs.len() >= 30 && starts.len() >= 30);
    println!("{table}{mistakes} mistakes");
    assert!(mistakes <= 3, "{mistakes} mistakes:\n{table}");
}

/// Prints what is said about the functions of the files in `SHAPES`, separated by colons.
#[test]
#[ignore = "reads files that are not here"]
fn tells_about_other_code() {
    struct Functions(Vec<ItemFn>);

    impl syn::visit_mut::VisitMut for Functions {
        fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
            self.0.push(function.clone());
            syn::visit_mut::visit_item_fn_mut(self, function);
        }
        fn visit_impl_item_fn_mut(&mut self, method: &mut syn::ImplItemFn) {
            let (attrs, sig, block) = (&method.attrs, &method.sig, &method.block);
            self.0.push(parse_quote!(#(#attrs)* #sig #block));
            syn::visit_mut::visit_impl_item_fn_mut(self, method);
        }
    }

    let mut counts = [[0; 2]; 2];
    for path in std::env::var("SHAPES").unwrap_or_default().split(':') {
        let text = std::fs::read_to_string(path).expect("a file");
        let mut file = syn::parse_file(&text).expect("Rust");
        let mut functions = Functions(Vec::new());
        syn::visit_mut::VisitMut::visit_file_mut(&mut functions, &mut file);
        for function in functions.0 {
            if token_of(&function).is_none() {
                continue;
            }
            let said = question(&function);
            let labels = ["run", "start"].map(|label| {
                let mut attrs = function.attrs.iter();
                attrs.any(|attr| attr.path().is_ident(label))
            });
            let mut mark = " ";
            if let Some(label) = labels.iter().position(|label| *label) {
                counts[label][usize::from(said.is_some())] += 1;
                if (label == 0) != said.is_some() {
                    mark = "!";
                }
            }
            let said = said.unwrap_or_else(|| "-".to_owned());
            println!("{mark} {:?} {:30} {said}", labels, function.sig.ident);
        }
    }
    let [[silent_runs, runs], [silent, starts]] = counts;
    println!("runs asked: {runs} of {}", runs + silent_runs);
    println!("starts asked: {starts} of {}", starts + silent);
}
