//! The input of macros, read as far as possible.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Block, Expr, Ident, Macro, Pat, Stmt, Token};

use super::findings::LatePart;
use super::names;
use super::value::{CancelKind, Origin, Value};
use super::walker::Walker;

/// One branch of a `select!`.
enum Branch {
    Future {
        pat: Box<Pat>,
        future: Box<Expr>,
        guard: Option<Box<Expr>>,
        body: Box<Expr>,
    },
    Other(Expr),
}

struct Branches(Vec<Branch>);

impl Parse for Branches {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        skip_option(input)?;
        let mut branches = Vec::new();
        while !input.is_empty() {
            branches.push(input.parse()?);
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self(branches))
    }
}

impl Parse for Branch {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident::peek_any) && input.peek2(Token![=>]) {
            let word = Ident::parse_any(input)?;
            if word != "else" && word != "complete" && word != "default" {
                return Err(syn::Error::new(word.span(), "not a branch of `select!`"));
            }
            input.parse::<Token![=>]>()?;
            return Ok(Self::Other(Expr::parse_with_earlier_boundary_rule(input)?));
        }
        let pat = Pat::parse_multi_with_leading_vert(input)?;
        input.parse::<Token![=]>()?;
        let future = input.parse()?;
        let mut guard = None;
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            input.parse::<Token![if]>()?;
            guard = Some(Box::new(input.parse()?));
        }
        input.parse::<Token![=>]>()?;
        let body = Expr::parse_with_earlier_boundary_rule(input)?;
        Ok(Self::Future {
            pat: Box::new(pat),
            future: Box::new(future),
            guard,
            body: Box::new(body),
        })
    }
}

/// Skips the `biased;` at the front of a waiting macro.
fn skip_option(input: ParseStream<'_>) -> syn::Result<()> {
    if input.peek(Ident) && input.peek2(Token![;]) {
        input.parse::<Ident>()?;
        input.parse::<Token![;]>()?;
    }
    Ok(())
}

fn arguments(tokens: TokenStream) -> Option<Punctuated<Expr, Token![,]>> {
    let parser = |input: ParseStream<'_>| {
        skip_option(input)?;
        Punctuated::parse_terminated(input)
    };
    parser.parse2(tokens).ok()
}

fn stmts(tokens: TokenStream) -> Option<Vec<Stmt>> {
    Block::parse_within.parse2(tokens).ok()
}

impl Walker {
    pub(super) fn macro_call(&mut self, mac: &Macro, is_last: bool) -> Value {
        let name = match mac.path.segments.last() {
            Some(last) => last.ident.to_string(),
            None => return Value::default(),
        };
        match name.as_str() {
            "select" | "select_biased" => {
                if let Ok(Branches(branches)) = syn::parse2(mac.tokens.clone()) {
                    return self.select(branches, is_last);
                }
            }
            "join" | "try_join" => {
                if let Some(futures) = arguments(mac.tokens.clone()) {
                    let mut joined = Value::default();
                    let mut run_call = None;
                    self.frame.found.run_call = None;
                    let part_waits = self.part_waits.len();
                    for future in &futures {
                        let value = self.expr(future, is_last);
                        joined = joined.or(self.awaited(&value, future, is_last));
                        run_call = run_call.or(self.frame.found.run_call.take());
                    }
                    self.frame.found.run_call = run_call;
                    // One error for the macro.
                    self.part_waits.truncate(part_waits + 1);
                    return joined;
                }
            }
            name if names::makes_future(name) => {
                if let Some(stmts) = stmts(mac.tokens.clone()) {
                    return self.async_block(&stmts);
                }
            }
            _ => {}
        }
        self.other_macro(mac, &name, is_last)
    }

    fn other_macro(&mut self, mac: &Macro, name: &str, is_last: bool) -> Value {
        if let Some(arguments) = arguments(mac.tokens.clone()) {
            if names::is_spawn(name) {
                let late = LatePart {
                    spawn: mac.path.to_token_stream(),
                    is_blocking: false,
                };
                return self.spawn(&mac, late, Some(false), |walker| {
                    walker.merged(arguments.iter(), &Value::default())
                });
            }
            let awaits = !names::only_evaluates(name);
            let mut merged = Value::default();
            for argument in &arguments {
                let value = self.expr(argument, is_last);
                if awaits && value.awaited.is_some() {
                    self.awaited(&value, argument, is_last);
                }
                merged = merged.or(value);
            }
            merged.handles.clear();
            if arguments.len() != 1 || name != "pin" {
                let joins_part = merged.joins_part && name == "vec";
                return Value {
                    joins_part,
                    ..merged.made_from()
                };
            }
            return merged;
        }
        if let Some(stmts) = stmts(mac.tokens.clone()) {
            // `pin! { let stop = token.cancelled(); }` declares its variables around itself.
            let scope = self.open_scope();
            self.stmts(&stmts, is_last);
            if name != "pin" {
                self.close_scope(scope);
            }
            return Value::default();
        }
        self.tokens(mac.tokens.clone(), !names::only_evaluates(name));
        Value::default()
    }

    fn select(&mut self, branches: Vec<Branch>, is_last: bool) -> Value {
        let mut selected = Value::default();
        let mut run_call = None;
        self.frame.found.run_call = None;
        for branch in branches {
            let scope = self.open_scope();
            let value = match branch {
                Branch::Future {
                    pat,
                    future,
                    guard,
                    body,
                } => {
                    let value = self.expr(&future, is_last);
                    let outside = std::mem::replace(&mut self.in_arm, true);
                    let result = self.awaited(&value, &future, is_last);
                    self.in_arm = outside;
                    run_call = run_call.or(self.frame.found.run_call.take());
                    self.bind(&pat, result);
                    if let Some(guard) = guard {
                        self.expr(&guard, false);
                    }
                    self.expr(&body, is_last)
                }
                Branch::Other(body) => self.expr(&body, is_last),
            };
            selected = selected.or(value);
            self.close_scope(scope);
        }
        // The branches wait at the same time: each of them is the last call.
        let found = &mut self.frame.found;
        found.run_call = run_call.or(found.run_call.take());
        selected
    }

    /// Looks through tokens that are not Rust syntax for variables and waits.
    pub(super) fn tokens(&mut self, tokens: TokenStream, may_await: bool) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut is_async = false;
        let mut rest = trees.as_slice();
        while let [tree, after @ ..] = rest {
            let mut next = after;
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream(), may_await && !is_async),
                TokenTree::Ident(word) if word == "await" => self.note_unread_await(),
                TokenTree::Ident(word) if word == "break" || word == "return" => {
                    self.note_return();
                }
                TokenTree::Ident(_) => next = self.place_in_tokens(rest, may_await),
                TokenTree::Literal(literal) => self.captures(&literal.to_string()),
                TokenTree::Punct(_) => {}
            }
            is_async = match tree {
                TokenTree::Ident(word) => word == "async" || is_async && word == "move",
                _ => false,
            };
            rest = next;
        }
    }

    /// Reads `a.b.c` at the front of these tokens, and the calls after it. Returns what follows
    /// the place.
    fn place_in_tokens<'t>(&mut self, trees: &'t [TokenTree], may_await: bool) -> &'t [TokenTree] {
        let [TokenTree::Ident(first), after @ ..] = trees else {
            return trees;
        };
        let mut place = if first == "__self" {
            "self".to_owned()
        } else {
            first.to_string()
        };
        let mut rest = after;
        let mut value = self.lookup(&place);
        while let [TokenTree::Punct(dot), TokenTree::Ident(member), after @ ..] = rest {
            let is_call = matches!(after, [TokenTree::Group(group), ..]
                if group.delimiter() == Delimiter::Parenthesis);
            if dot.as_char() != '.' || is_call {
                break;
            }
            place = format!("{place}.{member}");
            value = self.lookup(&place).or(value);
            rest = after;
        }
        if let Some(value) = value {
            if value.carries_token() {
                self.calls_in_tokens(value.token, trees, rest, may_await);
            }
        }
        rest
    }

    /// Reads the methods that are called on the token: `.clone().cancelled()`.
    fn calls_in_tokens(
        &mut self,
        mut origin: Option<Origin>,
        start: &[TokenTree],
        calls: &[TokenTree],
        may_await: bool,
    ) {
        let mut rest = calls;
        while let [
            TokenTree::Punct(dot),
            TokenTree::Ident(method),
            TokenTree::Group(_),
            after @ ..,
        ] = rest
        {
            if dot.as_char() != '.' {
                return;
            }
            let method = method.to_string();
            let length = start.len() - after.len();
            let text = || start.iter().take(length).cloned().collect::<TokenStream>();
            if method == "child_token" {
                origin = Some(Origin::Child);
            } else if !names::returns_same(&method) {
                if names::is_wait(&method) && may_await {
                    self.note_wait(text());
                } else if method == "is_cancelled" {
                    self.note_ask(&text());
                } else if names::is_cancel(&method) && origin == Some(Origin::Own) {
                    self.note_cancel(text(), CancelKind::Call);
                }
                return;
            }
            rest = after;
        }
    }

    /// Marks the variables that a format string captures as used: `"{handle:?}"`.
    pub(super) fn captures(&mut self, literal: &str) {
        for part in literal.split('{').skip(1) {
            let end = part.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let name = end.and_then(|end| part.get(..end)).unwrap_or(part);
            if !name.is_empty() {
                self.lookup(name);
            }
        }
    }
}
