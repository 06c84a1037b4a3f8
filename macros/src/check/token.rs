//! Which token guards the function, and whether its body can see a child of it.

use proc_macro2::Ident;
use syn::{FnArg, ReceiverKind, Signature, Type};

use crate::args::Args;
use crate::errors::Errors;
use crate::function::GuardedFn;
use crate::model::TokenSource;
use crate::syntax::{as_variable, to_source};
use crate::token_param::TokenParam;
use crate::visit::{Node, Visit};

pub(crate) fn source(
    args: &Args,
    function: &GuardedFn,
    errors: &mut Errors,
) -> Option<TokenSource> {
    let source = match &args.token {
        Some(value) => {
            let named = as_variable(value).and_then(|name| TokenParam::named(&function.sig, name));
            match named {
                Some(param) => param_source(param, function, errors),
                None => TokenSource::Expr(value.clone()),
            }
        }
        None if args.is_unparsed("token") => return None,
        None => param_source(only_param(args, function, errors)?, function, errors),
    };
    check_caller(args, &source, function, errors);
    Some(source)
}

/// The token as the signature shows it, whether or not it can guard.
pub(crate) fn spelled_token(args: &Args, sig: &Signature) -> String {
    match (&args.token, TokenParam::all(sig).first()) {
        (Some(token), _) => to_source(token),
        (None, Some(param)) => param.ident.to_string(),
        (None, None) => "token".to_owned(),
    }
}

/// The one parameter that is a token.
fn only_param(args: &Args, function: &GuardedFn, errors: &mut Errors) -> Option<TokenParam> {
    let mut params = TokenParam::all(&function.sig);
    match params.as_slice() {
        [_] => params.pop(),
        [] => {
            let example = match function.sig.receiver() {
                Some(_) => "self.shutdown",
                None => "EXPR",
            };
            // A stop cancels the attempt's own token, and not the one that the guard is given.
            let own = args.state.as_ref().map_or_else(String::new, |state| {
                format!(
                    "; the body then takes its own token from `{}.token()`, which every stop \
                     cancels",
                    to_source(state)
                )
            });
            let message = format!(
                "no parameter is a `CancellationToken`, or a `&`, `Arc` or `Option` of one; \
                 add `shutdown: CancellationToken`, \
                 or name the token that guards this start: `token = {example}`{own} \
                 (a parameter is found by the name of its type, so an alias has to be named, too)"
            );
            errors.at(&function.sig.ident, message);
            None
        }
        [first, second, ..] => {
            let message = format!(
                "`{0}` and `{1}` are both tokens; say which one guards this start: `token = {0}`",
                first.ident, second.ident
            );
            errors.at(&second.ident, message);
            None
        }
    }
}

fn param_source(param: TokenParam, function: &GuardedFn, errors: &mut Errors) -> TokenSource {
    let body_uses_it = function.body_mentions(&param.ident);
    if let Some(by_ref) = param.by_ref(&function.sig) {
        errors.at(
            &by_ref,
            "the body cannot be given a child of a token bound by `ref`; \
             write `&` where the token is used",
        );
    } else if body_uses_it && param.child_form().is_none() {
        let message = format!(
            "the body cannot be given a child of this token in the same form; \
             write `token = &{}`, and it sees the caller's own",
            param.ident
        );
        errors.at(&param.ty, message);
    }
    if body_uses_it {
        check_returned_borrow(&param, function, errors);
    }
    TokenSource::Param {
        param,
        body_uses_it,
    }
}

/// `caller = NAME` needs a parameter in whose place the body sees a child, and a new name.
fn check_caller(args: &Args, source: &TokenSource, function: &GuardedFn, errors: &mut Errors) {
    let Some(caller) = &args.caller else {
        return;
    };
    match source {
        TokenSource::Expr(_) => errors.at(
            caller,
            "with this `token = ..` the body sees the caller's own token anyway; remove `caller`",
        ),
        TokenSource::Param { param, .. } if param.ident == *caller => errors.at(
            caller,
            format!(
                "`{caller}` is the token that the body sees; \
                 give the caller's own another name, as in `caller = {caller}_all`"
            ),
        ),
        TokenSource::Param { .. } if !function.body_mentions(caller) => errors.at(
            caller,
            format!("the body does not use `{caller}`; remove `caller = {caller}`"),
        ),
        TokenSource::Param { .. } => {}
    }
}

/// The child token lives in the body, so the returned value must not borrow from it.
fn check_returned_borrow(param: &TokenParam, function: &GuardedFn, errors: &mut Errors) {
    let mut from = Lifetimes::default();
    from.visit_node(Node::Type(&mut param.ty.clone()));
    let mut to = Lifetimes::default();
    let mut output = function.output();
    to.visit_node(Node::Type(&mut output));

    let by_receiver = function.sig.inputs.iter().any(|input| {
        let mut lifetimes = Lifetimes::default();
        if let FnArg::Receiver(receiver) = input {
            lifetimes.visit_node(Node::Receiver(&mut receiver.clone()));
            lifetimes.elided |= matches!(receiver.kind, ReceiverKind::Reference(_, None, _));
        }
        lifetimes.elided || !lifetimes.named.is_empty()
    });
    let borrows = from.elided && to.elided && !by_receiver
        || from
            .named
            .iter()
            .any(|lifetime| to.named.contains(lifetime));
    if borrows {
        let message = format!(
            "this may borrow from `{0}`, but the body sees a child of `{0}` that ends with it; \
             write `token = &{0}`, and it sees the caller's own",
            param.ident
        );
        errors.at(&output, message);
    }
}

#[derive(Default)]
struct Lifetimes {
    elided: bool,
    named: Vec<Ident>,
}

impl Visit for Lifetimes {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            // An elided lifetime of a function type connects its own parameters and its own result.
            Node::Type(Type::FnPtr(_)) | Node::FnArguments(_) => {}
            Node::Lifetime(lifetime) if lifetime.ident == "_" => self.elided = true,
            Node::Lifetime(lifetime) if lifetime.ident == "static" => {}
            Node::Lifetime(lifetime) => self.named.push(lifetime.ident.clone()),
            node => {
                if let Node::Type(Type::Reference(reference)) = &node {
                    self.elided |= reference.lifetime.is_none();
                }
                node.visit_children(self);
            }
        }
    }
}
