//! The owner of each parameter: the body, or the closure of `on_refused`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{Expr, FnArg, Pat, PatWild, Receiver, Token};

use crate::args::Args;
use crate::function::{Body, GuardedFn, is_owned};
use crate::model::{AttrOnlyParam, BodyFacts, Captures, ParamFacts, TokenSource};
use crate::syntax::{is_reference, is_store, mentions, pat_binds_all, pat_variable, place_root};
use crate::visit::{Node, Visit, visit_stmts};

pub(crate) fn facts(
    args: &Args,
    token: Option<&TokenSource>,
    function: &GuardedFn,
    body: &BodyFacts,
) -> ParamFacts {
    let uses = Uses {
        args,
        token,
        function,
        has_stores: !body.stores.is_empty(),
    };
    let (on_refused, body_owns_self) = captures(&uses);
    let mut attr_only = attr_only(&uses);
    attr_only.retain(|param| !on_refused.moved.contains(&param.ident));
    ParamFacts {
        attr_only,
        on_refused,
        borrowed_patterns: borrowed_patterns(args, function),
        body_owns_self,
        assigns_to_self: assigns_to_self(function),
    }
}

/// Which part of a function uses a parameter.
struct Uses<'a> {
    args: &'a Args,
    token: Option<&'a TokenSource>,
    function: &'a GuardedFn,
    has_stores: bool,
}

impl Uses<'_> {
    /// Whether the body mentions a variable other than as the cell of its stores, which the
    /// expansion replaces.
    fn in_body(&self, variable: &Ident) -> bool {
        self.function.body_mentions(variable)
            && !(self.has_stores && self.is_only_stored_to(variable))
    }

    fn is_only_stored_to(&self, variable: &Ident) -> bool {
        let (Some(state), Body::Parsed(stmts)) = (&self.args.state, &self.function.body) else {
            return false;
        };
        let mut stmts = stmts.clone();
        visit_stmts(&mut stmts, &mut RemoveCells(state));
        !mentions(quote!(#(#stmts)*), variable)
    }

    /// Whether the body uses a parameter, or the code that another macro has put around it.
    fn in_function(&self, variable: &Ident) -> bool {
        self.in_body(variable) || self.function.wrapper_mentions(variable)
    }

    fn in_on_refused(&self, variable: &Ident) -> bool {
        let on_refused = self.args.on_refused.as_ref();
        on_refused.is_some_and(|value| mentions(value.to_token_stream(), variable))
    }
}

/// Removes the cells of the stores.
struct RemoveCells<'a>(&'a Expr);

impl Visit for RemoveCells<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        let Node::Expr(expr) = node else {
            return node.visit_children(self);
        };
        Node::Expr(expr).visit_children(self);
        match expr {
            Expr::MethodCall(call) if is_store(call, self.0) => {
                *call.receiver = Expr::Verbatim(TokenStream::new());
            }
            _ => {}
        }
    }
}

/// The parameters that the arguments mention and the body does not.
fn attr_only(uses: &Uses<'_>) -> Vec<AttrOnlyParam> {
    let token = match uses.token {
        Some(TokenSource::Param { param, .. }) => Some(param),
        _ => None,
    };
    let inputs = uses.function.sig.inputs.iter().enumerate();
    let params = inputs.filter_map(|(index, input)| {
        let FnArg::Typed(param) = input else {
            return None;
        };
        let token = token.filter(|token| token.index == index);
        let ident = pat_variable(&param.pat).or(token.map(|token| &token.ident))?;
        let is_used_by_guard = token.is_some() || uses.args.args_mention(ident);
        (is_used_by_guard && !uses.in_body(ident)).then(|| AttrOnlyParam {
            ident: ident.clone(),
            is_reference: is_reference(&param.ty),
        })
    });
    params.collect()
}

/// The captures of `on_refused`, and whether the body owns `self`.
fn captures(uses: &Uses<'_>) -> (Captures, bool) {
    let mut captures = Captures::default();
    // Another expression makes the function at once, and can clone by itself what it needs.
    if !matches!(uses.args.on_refused, Some(Expr::Closure(_) | Expr::Path(_))) {
        return (captures, true);
    }
    let mut body_owns_self = true;
    for input in &uses.function.sig.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let this = Ident::new("self", Span::mixed_site());
                if is_owned(receiver) && uses.in_on_refused(&this) {
                    captures.is_move = true;
                    body_owns_self = uses.in_function(&this);
                    captures.cloned_self = body_owns_self.then_some(receiver.self_token);
                }
            }
            FnArg::Typed(param) if is_reference(&param.ty) => {}
            FnArg::Typed(param) => {
                let is_borrowed = !pat_binds_all(&param.pat);
                for variable in variables(&param.pat) {
                    if !uses.in_on_refused(&variable) {
                        continue;
                    }
                    captures.is_move = true;
                    if is_borrowed {
                        captures.cloned_from_reference.push(variable);
                    } else if uses.in_function(&variable) {
                        captures.cloned.push(variable);
                    } else {
                        captures.moved.push(variable);
                    }
                }
            }
        }
    }
    (captures, body_owns_self)
}

/// Whether the body assigns to a field of a `mut self`.
fn assigns_to_self(function: &GuardedFn) -> bool {
    struct Assigns(bool);

    impl Visit for Assigns {
        fn visit_node(&mut self, node: Node<'_>) {
            match node {
                Node::Item(_) => {}
                node => {
                    if let Node::Expr(Expr::Assign(assign)) = &node {
                        self.0 |= place_root(&assign.left).is_some_and(|root| root == "self");
                    }
                    node.visit_children(self);
                }
            }
        }
    }

    let is_mut_self = |receiver: &Receiver| receiver.mutability.is_some();
    let Body::Parsed(stmts) = &function.body else {
        return false;
    };
    if !function.sig.receiver().is_some_and(is_mut_self) {
        return false;
    }
    let mut assigns = Assigns(false);
    visit_stmts(&mut stmts.clone(), &mut assigns);
    assigns.0
}

/// The variables that a pattern binds.
fn variables(pat: &Pat) -> Vec<Ident> {
    struct Variables(Vec<Ident>);

    impl Visit for Variables {
        fn visit_node(&mut self, node: Node<'_>) {
            if let Node::PatIdent(pat) = &node {
                self.0.push(pat.ident.clone());
            }
            node.visit_children(self);
        }
    }

    let mut variables = Variables(Vec::new());
    variables.visit_node(Node::Pat(&mut pat.clone()));
    variables.0
}

// Input, with `state = state`:
//     Context { state, mut addr, .. }: Context
//
// Output:
//     Context { state, addr: _, .. }
fn borrowed_patterns(args: &Args, function: &GuardedFn) -> Vec<(usize, Pat)> {
    let inputs = function.sig.inputs.iter().enumerate();
    let patterns = inputs.filter_map(|(index, input)| {
        let FnArg::Typed(param) = input else {
            return None;
        };
        let is_mentioned = |name: &Ident| args.args_mention(name);
        if pat_binds_all(&param.pat) || !variables(&param.pat).iter().any(is_mentioned) {
            return None;
        }
        let mut pat = Pat::clone(&param.pat);
        KeepMentioned(args).visit_node(Node::Pat(&mut pat));
        Some((index, pat))
    });
    patterns.collect()
}

/// Replaces the variables that no argument mentions by `_`, and makes the others plain.
struct KeepMentioned<'a>(&'a Args);

impl Visit for KeepMentioned<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        let Node::Pat(pat) = node else {
            return node.visit_children(self);
        };
        if let Pat::Struct(pat) = pat {
            for field in &mut pat.fields {
                // `addr` becomes `addr: _`.
                match &*field.pat {
                    Pat::Ident(variable) if !self.0.args_mention(&variable.ident) => {
                        let span = Span::mixed_site();
                        field.colon_token.get_or_insert(Token![:](span));
                    }
                    _ => {}
                }
            }
        }
        if let Pat::Ident(variable) = pat {
            if self.0.args_mention(&variable.ident) {
                variable.by_ref = None;
                variable.mutability = None;
            } else if variable.subpat.is_none() {
                *pat = Pat::Wild(PatWild {
                    attrs: Vec::new(),
                    underscore_token: Token![_](variable.ident.span()),
                });
                return;
            }
        }
        Node::Pat(pat).visit_children(self);
    }
}
