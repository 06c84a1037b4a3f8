//! Reports signatures and attributes that do not fit a guard.

use quote::ToTokens as _;
use syn::{Attribute, Expr, ReturnType, Signature, Type};

use super::cells::drive_attempt;
use super::token::spelled_token;
use crate::args::Args;
use crate::errors::Errors;
use crate::function::GuardedFn;
use crate::syntax::{find_ident, is_detached, is_shielded, path_ends_in, to_source};

pub(crate) fn check(args: &Args, sig: &Signature, attrs: &[Attribute], errors: &mut Errors) {
    check_qualifiers(sig, errors);
    check_attributes(attrs, errors);
    check_receiver(args, sig, errors);
}

fn check_qualifiers(sig: &Signature, errors: &mut Errors) {
    // Rustc refuses `const async` itself.
    if let (Some(constness), None) = (&sig.constness, &sig.asyncness) {
        errors.at(
            constness,
            "a `const fn` cannot start a service; remove `const`, or remove `#[cancel_guarded]`",
        );
    }
    if let Some(abi) = &sig.abi {
        errors.at(
            abi,
            "a start with a foreign ABI cannot be guarded; \
             guard a Rust function, and have the foreign function call it",
        );
    } else if let Some(variadic) = &sig.variadic {
        errors.at(
            variadic,
            "a variadic function cannot be guarded; write out the parameters",
        );
    }
}

fn check_attributes(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs {
        if path_ends_in(attr.path(), "cancel_guarded") {
            errors.at(
                attr,
                "`#[cancel_guarded]` is given twice; keep one of the two",
            );
        }
        if is_shielded(attr) {
            errors.at(
                attr,
                "`#[shielded]` goes inside the body, on a statement, a block or a `let`; \
                 for the whole function write `#[cancel_guarded(shielded)]`",
            );
        }
        if is_detached(attr) {
            errors.at(
                attr,
                "`#[detached]` goes inside the body, on the statement that spawns",
            );
        }
    }
}

/// `self` in an argument needs a receiver.
fn check_receiver(args: &Args, sig: &Signature, errors: &mut Errors) {
    if sig.receiver().is_some() {
        return;
    }
    let values = [("token", &args.token), ("state", &args.state)];
    for (name, value) in values {
        let Some(value) = value else { continue };
        if let Some(found) = find_ident(value.to_token_stream(), "self") {
            errors.at(
                &found,
                format!(
                    "`{}` has no `self`; give it a parameter for this, \
                     and write its name: `{name} = {}`",
                    sig.ident,
                    last_name(value).unwrap_or_else(|| name.to_owned())
                ),
            );
        }
    }
}

/// The `state` of `self.inner.state`.
fn last_name(value: &Expr) -> Option<String> {
    match value {
        Expr::Field(field) => Some(field.member.to_token_stream().to_string()),
        Expr::Reference(reference) => last_name(&reference.expr),
        Expr::MethodCall(call) => last_name(&call.receiver),
        _ => None,
    }
}

/// The return types that visibly cannot say that a start was refused.
pub(crate) fn check_output(args: &Args, function: &GuardedFn, errors: &mut Errors) {
    let ReturnType::Type(_, returned) = &function.sig.output else {
        return;
    };
    if let (Type::Never(_), true) = (&**returned, function.is_async()) {
        errors.at(
            returned,
            "a start that never returns cannot say that it was refused; \
             return a `Result<Infallible, E>`, or `()`",
        );
        return;
    }
    if args.on_refused.is_some() || args.is_unparsed("on_refused") {
        return;
    }
    let output = function.output();
    let Type::Path(ty) = &output else {
        return;
    };
    if ty.path.is_ident("Self") {
        errors.at(
            &output,
            format!(
                "a constructor has nothing to return when its start is refused; return a \
                 `Result<Self, E>`; if it makes its cell, remove `#[cancel_guarded]`, write \
                 `let attempt = cell.begin(&{})?;` after that, and put the rest of the body into \
                 `{}`",
                spelled_token(args, &function.sig),
                drive_attempt(args, function)
            ),
        );
    } else if path_ends_in(&ty.path, "JoinHandle") {
        let handle = to_source(&output);
        let serve = args.state.as_ref().map_or_else(String::new, |state| {
            format!(
                ", and spawn the task with `tokio::spawn({}.serve(..))`, whose handle yields an \
                 `Option`",
                to_source(state)
            )
        });
        errors.at(
            &output,
            format!(
                "a `JoinHandle` cannot say that the start was refused; return a \
                 `Result<{handle}, E>`, where `E: From<StartError>`{serve}; or move what the task does \
                 into an `async fn`, and guard that with `run`"
            ),
        );
    }
}
