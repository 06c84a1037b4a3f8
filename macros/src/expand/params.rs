//! How each parameter gets into the body.
//!
//! Only what a block captures moves into it. A parameter that stayed outside would outlive the
//! attempt: its cell would read `FAILED` while a part of the attempt still exists.

use std::mem;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, FnArg, Pat, PatIdent, PatType, Receiver, Stmt, Token, Type};

use super::names;
use crate::function::{Form, GuardedFn, is_owned};
use crate::model::{AttrOnlyParam, Guard, ParamFacts, TokenSource};
use crate::syntax::{pat_binds_all, pat_variable, rename_self, renamed_self, strip_mut};
use crate::token_param::{ChildForm, TokenParam, generated_name};
use crate::visit::{Node, Visit};

// Input:
//     state = state, Context { state, addr, .. }: Context
//
// Output, where the signature has `__arg0: Context`:
//     let Context { state, addr: _, .. } = &__arg0;
//
/// The statements that make variables visible to the arguments whose patterns are matched in the
/// body only.
pub(crate) fn borrow_patterns(guard: &Guard) -> TokenStream {
    let span = Span::mixed_site();
    let mut stmts = TokenStream::new();
    for (index, pat) in &guard.params.borrowed_patterns {
        let allow = names::allow_shadowing();
        let whole = generated_name(*index, pat);
        stmts.extend(quote_spanned!(span=> #allow let #pat = &#whole;));
    }
    stmts
}

/// The statements that bring the parameters into the body, and those that go in front of the user's
/// own statements.
pub(crate) fn into_body(guard: &mut Guard) -> (TokenStream, Vec<Stmt>) {
    let Guard {
        args,
        function,
        token,
        params,
        ..
    } = guard;
    let caller = args.caller.as_ref();
    if !matches!(function.form, Form::Tail { .. }) {
        return (move_in(function, token, caller, params), Vec::new());
    }
    let mut moves = TokenStream::new();
    if let TokenSource::Param {
        param,
        body_uses_it,
    } = token
    {
        name_in_tail(function, param);
        moves = child_in_tail(function, param, *body_uses_it, caller);
    }
    let captures = params.attr_only.iter().filter_map(capture);
    let captures = captures.map(|capture| Stmt::Expr(Expr::Verbatim(capture), None));
    (moves, captures.collect())
}

/// The statements that bind the parameters in the body, in the order in which the function declares
/// them. So they are dropped in the reverse order, as in any function.
///
/// Removes from the signature what is bound in the body instead: a `mut`, and a pattern that does not
/// move all of its value.
fn move_in(
    function: &mut GuardedFn,
    source: &TokenSource,
    caller: Option<&Ident>,
    facts: &ParamFacts,
) -> TokenStream {
    let mut stmts = TokenStream::new();
    for (index, input) in function.sig.inputs.iter_mut().enumerate() {
        let param = match input {
            FnArg::Receiver(receiver) => {
                if facts.assigns_to_self {
                    stmts.extend(rebind_self(receiver));
                } else if facts.body_owns_self {
                    stmts.extend(capture_self(receiver));
                }
                continue;
            }
            FnArg::Typed(param) => param,
        };
        let is_attr_only = |attr_only: &&AttrOnlyParam| {
            pat_variable(&param.pat).is_some_and(|name| attr_only.ident == *name)
        };
        let attr_only = facts.attr_only.iter().find(is_attr_only);
        let token = match source {
            TokenSource::Param {
                param,
                body_uses_it,
            } if param.index == index => Some((param, *body_uses_it)),
            _ => None,
        };
        let moved = match (token, attr_only) {
            (Some((token, body_uses_it)), _) if body_uses_it || caller.is_some() => {
                let mutability = strip_mut(&mut param.pat);
                let child = token.child_form().filter(|_| body_uses_it);
                bind_token(token, child, mutability.as_ref(), caller)
            }
            (_, Some(attr_only)) => Vec::from_iter(capture(attr_only)),
            _ => move_param(index, param, facts, &mut stmts),
        };
        let attrs = param.attrs.iter().filter(|attr| is_about_binding(attr));
        let attrs = quote!(#(#attrs)*);
        if !moved.is_empty() {
            // What is expected of the parameter now happens to the variable that replaces it.
            param.attrs.retain(|attr| !attr.path().is_ident("expect"));
        }
        for stmt in moved {
            stmts.extend([attrs.clone(), stmt]);
        }
    }
    stmts
}

/// Whether an attribute of a parameter also belongs on the statement that binds it.
fn is_about_binding(attr: &Attribute) -> bool {
    [
        "cfg", "cfg_attr", "allow", "expect", "warn", "deny", "forbid",
    ]
    .iter()
    .any(|name| attr.path().is_ident(name))
}

// Input:
//     self                    self: Arc<Self>                    &self
//
// Output:
//     let _ = &self;          let _ = &self;
//
// A reference owns nothing. The mention of anything else captures the whole value, even where the
// body uses only a field; and a `mut self` may stay in the signature.
fn capture_self(receiver: &Receiver) -> TokenStream {
    let self_token = &receiver.self_token;
    if is_owned(receiver) {
        let span = Span::mixed_site().located_at(self_token.span);
        quote_spanned!(span=> let _ = &#self_token;)
    } else {
        TokenStream::new()
    }
}

// Input:
//     mut self
//
// Output, where the signature has `self`:
//     let mut __self = self;
//
// Rustc does not see that dropping a captured variable reads what was assigned to it. It does see it
// for a variable of the body.
fn rebind_self(receiver: &mut Receiver) -> TokenStream {
    let mutability = receiver.mutability.take();
    let self_token = &receiver.self_token;
    let span = Span::mixed_site().located_at(self_token.span);
    let this = Ident::new("__self", span);
    quote_spanned!(span=> let #mutability #this = #self_token;)
}

/// Writes `__self` for `self` in a body that binds it.
pub(crate) struct RenameSelf;

impl Visit for RenameSelf {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Item(_) => {}
            Node::Ident(ident) if ident == "self" => *ident = renamed_self(ident),
            Node::Macro(mac) => mac.tokens = rename_self(mem::take(&mut mac.tokens)),
            node => node.visit_children(self),
        }
    }
}

// Input:
//     cfg: Config             mut n: u64              (a, b): (A, B)
//
// Output:
//     let cfg = cfg;          let mut n = n;          let a = a; let b = b;
//
// Input, where the pattern does not move all of the value:
//     (a, _): (A, B)
//
// Output, where the signature has `__arg0: (A, B)`:
//     let __arg0 = __arg0; let (a, _) = __arg0;
//
// A pattern that moves all of its value stays where it is, for attributes below this one to see:
// `#[instrument]` records its variables.
//
// A variable that only an argument of the attribute uses is mentioned once more, as it would be unused:
//     let _ = &state;
//
// What the statements need is added to `items`, since the attributes of the parameter are not for it.
fn move_param(
    index: usize,
    param: &mut PatType,
    facts: &ParamFacts,
    items: &mut TokenStream,
) -> Vec<TokenStream> {
    if !pat_binds_all(&param.pat) {
        let whole = generated_name(index, &param.pat);
        let mut pat = mem::replace(&mut *param.pat, variable_pat(whole.clone()));
        let mut stmts = vec![rebind(borrows_mutably(&mut pat).as_ref(), &whole)];
        if !matches!(pat, Pat::Wild(_)) {
            let allow = names::allow_shadowing();
            stmts.push(quote!(#allow let #pat = #whole;));
        }
        let borrowed = facts.borrowed_patterns.iter();
        for (_, pat) in borrowed.filter(|(of_index, _)| *of_index == index) {
            let mut bindings = CollectBindings(Vec::new());
            bindings.visit_node(Node::Pat(&mut pat.clone()));
            for Binding { ident, .. } in bindings.0 {
                let span = Span::mixed_site().located_at(ident.span());
                stmts.push(quote_spanned!(span=> let _ = &#ident;));
            }
        }
        return stmts;
    }
    let is_reference = matches!(&*param.ty, Type::Reference(_));
    let mut bindings = CollectBindings(Vec::new());
    bindings.visit_node(Node::Pat(&mut param.pat));
    let moved = bindings.0.into_iter().filter(|binding| {
        (binding.mutability.is_some() || !is_reference)
            && !facts.on_refused.moved.contains(&binding.ident)
    });
    moved.map(|binding| binding.rebind(items)).collect()
}

fn rebind(mutability: Option<&Token![mut]>, ident: &Ident) -> TokenStream {
    let span = Span::mixed_site().located_at(ident.span());
    let allow = names::allow_shadowing();
    quote_spanned!(span=> #allow let #mutability #ident = #ident;)
}

/// A variable of a pattern.
struct Binding {
    mutability: Option<Token![mut]>,
    ident: Ident,
    /// It names the field that it takes, as in `Point { x, y }`.
    is_shorthand: bool,
}

impl Binding {
    // Input:
    //     Point { x, y: mut z }: Point
    //
    // Output:
    //     struct __Field<T> { x: T }          let mut z = z;
    //     let __Field { x } = __Field { x };
    //
    // For an unused variable rustc offers `_x`, unless the variable names the field that it takes.
    // There it offers `x: _`, and so it does for the pattern of the user, whose tokens these are.
    fn rebind(self, items: &mut TokenStream) -> TokenStream {
        let Self {
            mutability,
            ident,
            is_shorthand,
        } = self;
        if !is_shorthand {
            return rebind(mutability.as_ref(), &ident);
        }
        let name = format!("__Field_{}", ident.unraw());
        let field = Ident::new(&name, Span::mixed_site());
        let span = Span::mixed_site().located_at(ident.span());
        items.extend(quote_spanned!(Span::mixed_site()=> struct #field<T> { #ident: T }));
        let allow = names::allow_shadowing();
        quote_spanned!(span=> #allow let #field { #mutability #ident } = #field { #ident };)
    }
}

/// Collects the variables of a pattern, and removes their `mut`.
struct CollectBindings(Vec<Binding>);

impl CollectBindings {
    fn add(&mut self, pat: &mut PatIdent, is_shorthand: bool) {
        self.0.push(Binding {
            mutability: pat.mutability.take(),
            ident: pat.ident.clone(),
            is_shorthand,
        });
    }
}

impl Visit for CollectBindings {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::PatIdent(pat) => {
                self.add(pat, false);
                Node::PatIdent(pat).visit_children(self);
            }
            Node::Pat(Pat::Struct(pat)) => {
                for field in &mut pat.fields {
                    match &mut *field.pat {
                        Pat::Ident(pat) if field.colon_token.is_none() => self.add(pat, true),
                        pat => self.visit_node(Node::Pat(pat)),
                    }
                }
            }
            node => node.visit_children(self),
        }
    }
}

/// The `mut` of a `ref mut` in a pattern: the value that it borrows from has to be mutable.
fn borrows_mutably(pat: &mut Pat) -> Option<Token![mut]> {
    struct RefMut(Option<Token![mut]>);

    impl Visit for RefMut {
        fn visit_node(&mut self, node: Node<'_>) {
            match &node {
                Node::PatIdent(pat) if pat.by_ref.is_some() => self.0 = self.0.or(pat.mutability),
                _ => {}
            }
            node.visit_children(self);
        }
    }

    let mut found = RefMut(None);
    found.visit_node(Node::Pat(pat));
    found.0
}

fn variable_pat(ident: Ident) -> Pat {
    Pat::Ident(PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident,
        subpat: None,
    })
}

// Input:
//     mut shutdown: CancellationToken
//
// Output:
//     let mut shutdown = __start.child(shutdown);
//
// Input, with `caller = everything`:
//     shutdown: CancellationToken
//
// Output:
//     let everything = shutdown;
//     let shutdown = __start.child(&everything);
fn bind_token(
    token: &TokenParam,
    child: Option<ChildForm>,
    mutability: Option<&Token![mut]>,
    caller: Option<&Ident>,
) -> Vec<TokenStream> {
    let ident = &token.ident;
    let span = Span::mixed_site().located_at(ident.span());
    let start = names::start(span);
    let mut stmts = Vec::new();
    let parameter = if let Some(caller) = caller {
        let span = Span::mixed_site().located_at(caller.span());
        stmts.push(quote_spanned!(span=> let #caller = #ident;));
        quote_spanned!(span=> &#caller)
    } else {
        quote!(#ident)
    };
    let Some(ChildForm { borrows, as_ref }) = child else {
        return stmts;
    };
    let allow = names::allow_shadowing();
    let borrows = borrows.into_iter().map(|is_mut| {
        if is_mut {
            quote_spanned!(span=> &mut)
        } else {
            quote_spanned!(span=> &)
        }
    });
    let owned = quote_spanned!(span=> #start.child(#parameter));
    if as_ref {
        stmts.push(quote_spanned!(span=> #allow let #ident = #owned;));
        stmts.push(
            quote_spanned!(span=> #allow let #mutability #ident = #(#borrows)* #ident.as_ref();),
        );
    } else {
        stmts.push(quote_spanned!(span=> #allow let #mutability #ident = #(#borrows)* #owned;));
    }
    stmts
}

// Input:
//     fn start(_: CancellationToken) -> BoxFuture<'static, ()> { Box::pin(async { .. }) }
//
// Output:
//     fn start(__arg0: CancellationToken) -> BoxFuture<'static, ()> { .. }
//
/// Gives a token parameter without a name a generated one, in a function that ends in an async
/// block. What its pattern binds is bound at the call.
fn name_in_tail(function: &mut GuardedFn, token: &TokenParam) {
    let param = match function.sig.inputs.iter_mut().nth(token.index) {
        Some(FnArg::Typed(param)) if !token.has_name => param,
        _ => return,
    };
    let ident = &token.ident;
    let pat = mem::replace(&mut *param.pat, variable_pat(ident.clone()));
    if let (Form::Tail { prologue, .. }, false) = (&mut function.form, matches!(pat, Pat::Wild(_)))
    {
        let bind = Expr::Verbatim(quote!(let #pat = #ident;));
        prologue.insert(0, Stmt::Expr(bind, None));
    }
}

/// The statements that bind the token in a body that is an async block of the user's. If a statement
/// before that block gave the parameter's name to another value, that is an owned clone of the token.
fn child_in_tail(
    function: &mut GuardedFn,
    token: &TokenParam,
    body_uses_it: bool,
    caller: Option<&Ident>,
) -> TokenStream {
    if !body_uses_it && caller.is_none() {
        return TokenStream::new();
    }
    let is_rebound = function.prologue_binds(&token.ident);
    let is_used_at_call = function.prologue_mentions(&token.ident);
    let pat = match function.sig.inputs.iter_mut().nth(token.index) {
        Some(FnArg::Typed(param)) => Some(&mut *param.pat),
        _ => None,
    };
    let mutability = match pat {
        Some(Pat::Ident(pat)) if is_used_at_call => pat.mutability,
        Some(pat) => strip_mut(pat),
        None => None,
    };
    let form = if is_rebound {
        Some(ChildForm::default())
    } else {
        token.child_form()
    };
    let mutability = mutability.filter(|_| !is_rebound);
    let form = form.filter(|_| body_uses_it);
    bind_token(token, form, mutability.as_ref(), caller)
        .into_iter()
        .collect()
}

// Input:
//     state: StateCell
//
// Output, where the attribute says `state = state` and the body never mentions it:
//     let _ = &state;
//
/// The statement that captures a parameter which only the attribute uses. A binding would be an
/// unused variable.
fn capture(param: &AttrOnlyParam) -> Option<TokenStream> {
    let ident = &param.ident;
    let span = Span::mixed_site().located_at(ident.span());
    (!param.is_reference).then(|| quote_spanned!(span=> let _ = &#ident;))
}
