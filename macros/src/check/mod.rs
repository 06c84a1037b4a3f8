//! Every refusal, collected. What passes can be expanded without a further question.

mod body;
mod decide;
pub(crate) mod flow;
pub(crate) mod mode;
mod params;
mod roles;
mod signature;
pub(crate) mod tasks;
mod token;
mod wrapper;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Expr, Signature};

use crate::args::Args;
use crate::errors::Errors;
use crate::function::{Form, GuardedFn, InputFn, Unsupported};
use crate::model::Guard;
use crate::syntax::to_source;
use crate::visit::{Node, Visit, visit_stmts};

pub(crate) fn check(args: Args, input: InputFn, errors: &mut Errors) -> Option<Guard> {
    signature::check(&args, &input.sig, &input.attrs, errors);
    check_arguments(&args, errors);
    let sig = input.sig.clone();
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
        Unsupported::OtherFuture => errors.at(
            &sig.fn_token,
            "`#[cancel_guarded]` cannot guard the future that this function returns; write \
             `async fn`, or end the function in `Box::pin(async move { .. })`. If an attribute \
             above took the `async` away, put `#[cancel_guarded]` first",
        ),
    }
}

/// What the arguments say by themselves.
fn check_arguments(args: &Args, errors: &mut Errors) {
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
    check_on_refused(args, errors);
}

/// `on_refused` is a function, and what is a value already is a mistake.
fn check_on_refused(args: &Args, errors: &mut Errors) {
    let Some(value) = &args.on_refused else {
        return;
    };
    let is_of_prelude = |path: &Expr| match path {
        Expr::Path(path) => ["Ok", "Err", "Some", "None"]
            .iter()
            .any(|name| path.path.is_ident(name)),
        _ => false,
    };
    let is_value = match value {
        Expr::Lit(_) | Expr::Tuple(_) | Expr::Struct(_) => true,
        Expr::Call(call) => is_of_prelude(&call.func),
        Expr::Path(path) => path.path.is_ident("None"),
        _ => false,
    };
    if is_value {
        let message = format!(
            "`on_refused` is a function of the `StartError`; write `on_refused = |_| {}`",
            to_source(value)
        );
        errors.at(value, message);
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
