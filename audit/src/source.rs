//! Reads a file: its functions, and its types that hold a token.

use std::collections::HashSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Expr, ExprAsync, Fields, ImplItem, Item, ReturnType, Signature, Stmt, TraitItem,
    Type,
};

use crate::check::flow::{Flow, Subject, names};
use crate::check::mode;
use crate::model::{Function, Guard, SourceFile, TokenType, Warning};
use crate::syntax::{find_ident, mentions, path_ends_in};
use crate::token_param::TokenParam;
use crate::{comment, depth, walk};

/// Reads the text of a file. A file that cannot be read has a warning and no functions.
pub(crate) fn read(text: &str, file: &mut SourceFile) {
    // The places of the files before this one are not needed any more.
    proc_macro2::extra::invalidate_current_thread_spans();
    if let Some((line, column)) = depth::too_deep(text) {
        file.warnings.push(Warning {
            line,
            column,
            message: "is nested too deeply to be read".to_owned(),
        });
        return;
    }
    match syn::parse_file(text) {
        Ok(parsed) => {
            let lines: Vec<&str> = text.lines().collect();
            let mut reader = Reader {
                lines: &lines,
                uses_guard: text.contains("cancel_guarded"),
                path: Vec::new(),
                file,
            };
            let is_test = parsed.attrs.iter().any(is_test_attr);
            reader.items(&parsed.items, is_test);
        }
        Err(error) => {
            let start = error.span().start();
            file.warnings.push(Warning {
                line: start.line,
                column: start.column + 1,
                message: format!("does not parse: {error}"),
            });
        }
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    uses_guard: bool,
    /// The modules and the type around the current item.
    path: Vec<String>,
    file: &'a mut SourceFile,
}

/// A function as the syntax tree has it.
struct Parts<'a> {
    attrs: &'a [Attribute],
    sig: &'a Signature,
    stmts: &'a [Stmt],
    self_type: Option<String>,
    is_test: bool,
}

impl Reader<'_> {
    fn items(&mut self, items: &[Item], is_test: bool) {
        for item in items {
            self.item(item, is_test);
        }
    }

    fn item(&mut self, item: &Item, is_test: bool) {
        match item {
            Item::Mod(module) => {
                let is_test = is_test || module.attrs.iter().any(is_test_attr);
                if let Some((_, items)) = &module.content {
                    self.inside(module.ident.to_string(), |reader| {
                        reader.items(items, is_test);
                    });
                }
            }
            Item::Fn(item) => self.function(&Parts {
                attrs: &item.attrs,
                sig: &item.sig,
                stmts: &item.block.stmts,
                self_type: None,
                is_test,
            }),
            Item::Impl(item) => {
                let name = type_name(&item.self_ty);
                let is_test = is_test || item.attrs.iter().any(is_test_attr);
                self.inside(name.clone(), |reader| {
                    for item in &item.items {
                        if let ImplItem::Fn(item) = item {
                            reader.function(&Parts {
                                attrs: &item.attrs,
                                sig: &item.sig,
                                stmts: &item.block.stmts,
                                self_type: Some(name.clone()),
                                is_test,
                            });
                        }
                    }
                });
            }
            Item::Trait(item) => self.inside(item.ident.to_string(), |reader| {
                for item in &item.items {
                    if let TraitItem::Fn(method) = item {
                        if let Some(block) = &method.default {
                            reader.function(&Parts {
                                attrs: &method.attrs,
                                sig: &method.sig,
                                stmts: &block.stmts,
                                self_type: None,
                                is_test,
                            });
                        }
                    }
                }
            }),
            Item::Struct(item) => self.type_of_fields(&item.ident.to_string(), &item.fields),
            _ => {}
        }
    }

    fn inside(&mut self, name: String, read: impl FnOnce(&mut Self)) {
        self.path.push(name);
        read(self);
        self.path.pop();
    }

    fn type_of_fields(&mut self, name: &str, fields: &Fields) {
        for (index, field) in fields.iter().enumerate() {
            if find_ident(field.ty.to_token_stream(), "CancellationToken").is_some() {
                let field = field.ident.as_ref().map(ToString::to_string);
                self.file.token_types.push(TokenType {
                    name: name.to_owned(),
                    field: field.unwrap_or_else(|| index.to_string()),
                });
                return;
            }
        }
    }

    fn function(&mut self, parts: &Parts<'_>) {
        let sig = parts.sig;
        let tokens = TokenParam::all(sig);
        let names: HashSet<String> = tokens.iter().map(|token| token.ident.to_string()).collect();
        let first_line = parts
            .attrs
            .first()
            .map_or_else(|| sig.span(), |attr| attr.pound_token.span())
            .start()
            .line;
        let line = sig.fn_token.span.start().line;
        let mut qualified = self.path.join("::");
        if !qualified.is_empty() {
            qualified.push_str("::");
        }
        qualified.push_str(&sig.ident.to_string());
        let token = tokens.first().map(|token| {
            let name = Some(&token.ident).filter(|_| token.has_name);
            name.map_or_else(|| "_".to_owned(), ToString::to_string)
        });
        let mentions_token = tokens.iter().any(|token| {
            let mut stmts = parts.stmts.iter();
            stmts.any(|stmt| mentions(stmt.to_token_stream(), &token.ident))
        });
        let body = walk::read(&own_stmts(parts.stmts), names, self.uses_guard);
        self.file.functions.push(Function {
            name: sig.ident.to_string(),
            qualified,
            self_type: parts.self_type.clone(),
            has_receiver: sig.receiver().is_some(),
            line,
            guard: self.guard(parts),
            comment: comment::find(self.lines, first_line, line),
            is_test: parts.is_test || parts.attrs.iter().any(is_test_attr),
            is_run: is_run(sig, parts.stmts, token.as_deref()),
            token,
            range: sig.ident.span().byte_range(),
            mentions_token,
            events: body.events,
            raced: body.raced,
        });
        // Functions inside functions are functions of their own.
        for stmt in parts.stmts {
            if let Stmt::Item(item) = stmt {
                self.inside(sig.ident.to_string(), |reader| {
                    reader.item(item, parts.is_test);
                });
            }
        }
    }

    fn guard(&self, parts: &Parts<'_>) -> Guard {
        let is_attribute = |attr: &Attribute| {
            path_ends_in(attr.path(), "cancel_guarded")
                || attr.path().is_ident("cfg_attr")
                    && find_ident(attr.meta.to_token_stream(), "cancel_guarded").is_some()
        };
        if parts.attrs.iter().any(is_attribute) {
            return Guard::Attribute;
        }
        let begins = |stmt: &Stmt| begins_attempt(stmt.to_token_stream());
        if self.uses_guard && parts.stmts.iter().any(begins) {
            return Guard::Attempt;
        }
        Guard::None
    }
}

/// Whether tokens call `begin` or `begin_again` with a token: `cell.begin(&token)`. The `begin` of a
/// transaction has no argument.
fn begins_attempt(tokens: TokenStream) -> bool {
    let mut is_begin = false;
    for tree in tokens {
        if let TokenTree::Group(group) = &tree {
            let is_call = group.delimiter() == Delimiter::Parenthesis && !group.stream().is_empty();
            if is_begin && is_call || begins_attempt(group.stream()) {
                return true;
            }
        }
        is_begin =
            matches!(&tree, TokenTree::Ident(word) if word == "begin" || word == "begin_again");
    }
    false
}

/// The statements of a body, those of an async block at its end included.
fn own_stmts(stmts: &[Stmt]) -> Vec<&Stmt> {
    let Some((Stmt::Expr(tail, None), prologue)) = stmts.split_last() else {
        return stmts.iter().collect();
    };
    let Some(block) = async_tail(tail) else {
        return stmts.iter().collect();
    };
    prologue.iter().chain(&block.block.stmts).collect()
}

/// The block of `async { .. }` and `Box::pin(async { .. })`.
fn async_tail(tail: &Expr) -> Option<&ExprAsync> {
    match tail {
        Expr::Async(block) => Some(block),
        Expr::Paren(expr) => async_tail(&expr.expr),
        Expr::MethodCall(call) if names::forwards_future(&call.method.to_string()) => {
            async_tail(&call.receiver)
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) if names::is_wrapper(&path.path) => async_tail(call.args.first()?),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the macro takes the function for a run: the fix then says so.
fn is_run(sig: &Signature, stmts: &[Stmt], token: Option<&str>) -> bool {
    let token: Option<Expr> = token
        .map(str::to_owned)
        .or_else(|| token_field(stmts))
        .and_then(|token| syn::parse_str(&token).ok());
    let subject = Subject {
        token: token.as_ref(),
        ..Subject::default()
    };
    let flow = Flow::of(stmts, subject);
    let is_nothing = matches!(&sig.output, ReturnType::Default);
    mode::run_evidence(sig, &flow).is_some() || is_nothing && !mode::own_waits(&flow).is_empty()
}

/// The first field of `self` in a body that is named as a token.
fn token_field(stmts: &[Stmt]) -> Option<String> {
    struct Fields(Option<String>);
    impl<'ast> syn::visit::Visit<'ast> for Fields {
        fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
            syn::visit::visit_expr_field(self, field);
            let (Expr::Path(base), syn::Member::Named(name)) = (&*field.base, &field.member) else {
                return;
            };
            let name = name.to_string();
            if self.0.is_none() && base.path.is_ident("self") && names::is_token(&name) {
                self.0 = Some(format!("self.{name}"));
            }
        }
    }
    let mut fields = Fields(None);
    for stmt in stmts {
        syn::visit::Visit::visit_stmt(&mut fields, stmt);
    }
    fields.0
}

/// Whether an attribute says that an item is part of the tests.
fn is_test_attr(attr: &Attribute) -> bool {
    if attr.path().is_ident("cfg") {
        return find_ident(attr.meta.to_token_stream(), "test").is_some()
            && find_ident(attr.meta.to_token_stream(), "not").is_none();
    }
    let last = attr.path().segments.last();
    last.is_some_and(|last| {
        let name = last.ident.to_string();
        name == "test" || name == "rstest" || name.ends_with("_test") || name == "test_case"
    })
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Path(ty) => ty
            .path
            .segments
            .last()
            .map_or_else(String::new, |last| last.ident.to_string()),
        Type::Reference(ty) => type_name(&ty.elem),
        Type::Paren(ty) => type_name(&ty.elem),
        Type::Group(ty) => type_name(&ty.elem),
        ty => crate::syntax::to_source(ty),
    }
}
