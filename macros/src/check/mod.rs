//! Every refusal, collected. A function that passes can be expanded without a further check.

mod body;
mod cells;
mod decide;
pub(crate) mod flow;
pub(crate) mod mode;
mod params;
mod roles;
mod signature;
pub(crate) mod tasks;
mod token;
mod waits;
mod wrapper;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr, Path, ReturnType, Signature, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::function::{Form, GuardedFn, InputFn, Unsupported};
use crate::model::Guard;
use crate::syntax::{path_ends_in, to_source};
use crate::visit::{Node, Visit, visit_stmts};

pub(crate) fn check(args: Args, input: InputFn, errors: &mut Errors) -> Option<Guard> {
    signature::check(&args, &input.sig, &input.attrs, errors);
    let sig = input.sig.clone();
    check_arguments(&args, &sig, errors);
    let mut function = match GuardedFn::from_input(input) {
        Ok(function) => function,
        Err(unsupported) => {
            report_unsupported(&unsupported, &sig, errors);
            return None;
        }
    };
    if wrapper::is_wrapped(&mut function) {
        errors.at(
            &function.sig.ident,
            "an attribute above has wrapped the body of this function; \
             put `#[cancel_guarded]` first",
        );
        return None;
    }
    signature::check_output(&args, &function, errors);
    check_prologue(&mut function, errors);
    if !cells::check(&args, &mut function, errors) {
        return None;
    }
    let token = token::source(&args, &function, errors);
    let findings = body::check(&args, &mut function, errors);
    let mode = decide::mode(&args, token.as_ref(), &function, &findings, errors);
    let body = findings.facts;
    let params = params::facts(&args, token.as_ref(), &function, &body);
    Some(Guard {
        args,
        mode,
        token: token?,
        params,
        function,
        body,
    })
}

/// The error for an item that is not a function.
pub(crate) fn not_a_function(item: &TokenStream, error: &syn::Error) -> syn::Error {
    let is_function = item
        .clone()
        .into_iter()
        .take_while(|tree| !matches!(tree, TokenTree::Group(_)))
        .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "fn"));
    if is_function {
        // Rustc has mostly said what is missing.
        return syn::Error::new(
            error.span(),
            "`#[cancel_guarded]` cannot read this signature yet; complete it",
        );
    }
    syn::Error::new_spanned(
        item,
        "`#[cancel_guarded]` guards a start function; put it on the function that starts",
    )
}

fn report_unsupported(why: &Unsupported, sig: &Signature, errors: &mut Errors) {
    match why {
        Unsupported::Unparsed => {}
        Unsupported::NoBody(semi) => errors.at(
            semi,
            "this method has no body to guard; \
             put `#[cancel_guarded]` on its implementations, or give it a default body",
        ),
        Unsupported::Boxed(method) => errors.at(
            method,
            format!(
                "`#[cancel_guarded]` does not look into `.{method}()`; \
                 write `Box::pin(async move {{ .. }})`"
            ),
        ),
        Unsupported::OtherFuture => errors.at(
            &sig.fn_token,
            "`#[cancel_guarded]` cannot guard the future that this function returns; write \
             `async fn`, or end the function in `Box::pin(async move { .. })`. If an attribute \
             above took the `async` away, put `#[cancel_guarded]` first",
        ),
    }
}

/// Checks the arguments by themselves.
fn check_arguments(args: &Args, sig: &Signature, errors: &mut Errors) {
    if let (Some(_), Some(run)) = (&args.start, &args.run) {
        errors.at(
            run,
            "a function either starts the service or runs it; keep one of `start` and `run`",
        );
    }
    if let (Some(restart), None, false) = (&args.restart, &args.state, args.is_unparsed("state")) {
        errors.at(
            restart,
            "without a state there is nothing to restart; add `state = EXPR`, or remove `restart`",
        );
    }
    check_on_refused(args, sig, errors);
}

/// `on_refused` is a function, so a value is a mistake.
fn check_on_refused(args: &Args, sig: &Signature, errors: &mut Errors) {
    let Some(value) = &args.on_refused else {
        return;
    };
    let is_prelude = |path: &Path| {
        ["Ok", "Err", "Some", "None"]
            .iter()
            .any(|name| path.is_ident(name))
    };
    let written = to_source(value);
    let function = match value {
        Expr::Lit(_) => {
            let message = format!(
                "`on_refused` makes what a refused call returns, and `{written}` does not tell \
                 success from failure; return a `Result` or an `Option`, and write a function of \
                 the `StartError`: `on_refused = |refusal| Err(refusal.into())`"
            );
            errors.at(value, message);
            return;
        }
        Expr::Tuple(_) | Expr::Struct(_) => format!("|_| {written}"),
        Expr::Path(path) if path.path.is_ident("None") => format!("|_| {written}"),
        Expr::Path(path) if returns_result(sig) && is_variant(&path.path) => {
            let message = format!(
                "`{written}` makes an error, and this function returns a `Result`; \
                 write `on_refused = |refusal| Err({written}(refusal))`"
            );
            errors.at(value, message);
            return;
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(callee) if is_prelude(&callee.path) => format!("|_| {written}"),
            Expr::Path(callee) if is_variant(&callee.path) && returns_result(sig) => {
                format!("|_| Err({written})")
            }
            Expr::Path(callee) if is_variant(&callee.path) => format!("|_| {written}"),
            _ => return,
        },
        _ => return,
    };
    let message =
        format!("`on_refused` is a function of the `StartError`; write `on_refused = {function}`");
    errors.at(value, message);
}

/// Whether a path is `Error::Refused`, as far as its letters tell.
fn is_variant(path: &Path) -> bool {
    let is_upper = |ident: &Ident| ident.to_string().starts_with(char::is_uppercase);
    let mut segments = path.segments.iter().rev();
    let (Some(variant), Some(ty)) = (segments.next(), segments.next()) else {
        return false;
    };
    is_upper(&variant.ident) && is_upper(&ty.ident) && ty.ident != "Result" && ty.ident != "Option"
}

fn returns_result(sig: &Signature) -> bool {
    match &sig.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::Path(ty) => path_ends_in(&ty.path, "Result"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

/// A statement that runs at the call is not guarded, and must not return.
fn check_prologue(function: &mut GuardedFn, errors: &mut Errors) {
    struct Returns<'a>(&'a mut Errors);

    impl Visit for Returns<'_> {
        fn visit_node(&mut self, node: Node<'_>) {
            match node {
                Node::Expr(Expr::Return(expr)) => self.0.at(
                    &expr.to_token_stream(),
                    "this returns past the guard; \
                     move it, and what it depends on, into the async block at the end",
                ),
                Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Item(_) => {}
                node => node.visit_children(self),
            }
        }
    }

    if let Form::Tail { prologue, .. } = &mut function.form {
        visit_stmts(prologue, &mut Returns(errors));
    }
}
