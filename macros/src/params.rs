//! The parameters: which one is the token, and how each of them gets into the body.
//!
//! Only what a block captures moves into it. A parameter that stayed outside would outlive the
//! attempt: its cell would read `FAILED` while something of the attempt is still there.

use std::mem;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Pat, PatIdent, PatType, Path, PathArguments, Receiver,
    ReceiverKind, Signature, Stmt, Token, Type, TypeReference,
};

use crate::args::Args;
use crate::body::{attempt, ends};
use crate::check::{Beside, Guard, GuardedBy};
use crate::guarded_fn::{Form, GuardedFn, ends_in};
use crate::walk::{Node, Walk};

/// A parameter whose type is `CancellationToken`, behind any `&`, `Arc` and `Option`.
#[derive(Clone)]
pub(crate) struct TokenParam {
    /// Its place among all parameters.
    pub(crate) index: usize,
    pub(crate) ident: Ident,
    /// Whether that is the user's own name for it, not ours for a pattern.
    pub(crate) has_name: bool,
    pub(crate) ty: Type,
    wraps: Vec<Wrap>,
}

/// What is around a `CancellationToken` in a type.
#[derive(Clone, Copy, PartialEq)]
enum Wrap {
    Ref,
    RefMut,
    Arc,
    Option,
}

impl TokenParam {
    pub(crate) fn all(sig: &Signature) -> Vec<Self> {
        sig.inputs
            .iter()
            .enumerate()
            .filter_map(|(index, input)| {
                let FnArg::Typed(param) = input else {
                    return None;
                };
                let mut wraps = Vec::new();
                let name = variable(&param.pat);
                is_token(&param.ty, &mut wraps).then(|| Self {
                    index,
                    ident: name
                        .cloned()
                        .unwrap_or_else(|| positional(index, &param.pat)),
                    has_name: name.is_some(),
                    ty: Type::clone(&param.ty),
                    wraps,
                })
            })
            .collect()
    }

    /// The `ref` that binds it.
    pub(crate) fn by_ref(&self, sig: &Signature) -> Option<Token![ref]> {
        match sig.inputs.get(self.index)? {
            FnArg::Typed(param) => bound_by_ref(&param.pat),
            FnArg::Receiver(_) => None,
        }
    }

    // Input:                              Output:
    //     CancellationToken                   __attempt.child(shutdown)
    //     Option<CancellationToken>           __attempt.child(shutdown)
    //     &CancellationToken                  &__attempt.child(shutdown)
    //     Option<&CancellationToken>          __attempt.child(shutdown).as_ref()
    //
    /// The child token in the form of the parameter, if there is a way to give it that form.
    ///
    /// The runtime's `child` takes the caller's token in any form, and owns what it returns.
    fn child(&self) -> Option<Child> {
        let borrows = self.wraps.iter().take_while(|&&w| w == Wrap::Ref).count();
        let (_, inner) = self.wraps.split_at(borrows);
        let owned = |wraps: &[Wrap]| wraps.iter().all(|w| matches!(w, Wrap::Arc | Wrap::Option));
        match inner {
            inner if owned(inner) => Some(Child {
                borrows,
                as_ref: false,
            }),
            [Wrap::Option, Wrap::Ref, inner @ ..] if owned(inner) => Some(Child {
                borrows,
                as_ref: true,
            }),
            _ => None,
        }
    }

    pub(crate) fn is_mutably_borrowed(&self) -> bool {
        self.wraps.contains(&Wrap::RefMut)
    }

    pub(crate) fn has_child(&self) -> bool {
        self.child().is_some()
    }
}

/// How an owned child token takes the form of the parameter.
#[derive(Clone, Copy)]
struct Child {
    borrows: usize,
    as_ref: bool,
}

fn is_token(ty: &Type, wraps: &mut Vec<Wrap>) -> bool {
    let (wrap, inner) = match ty {
        Type::Group(group) => return is_token(&group.elem, wraps),
        Type::Paren(paren) => return is_token(&paren.elem, wraps),
        Type::Reference(TypeReference {
            mutability, elem, ..
        }) => {
            let wrap = match mutability {
                Some(_) => Wrap::RefMut,
                None => Wrap::Ref,
            };
            (wrap, &**elem)
        }
        Type::Path(ty) => match around(&ty.path) {
            Some(around) => around,
            None => return ends_in(&ty.path, "CancellationToken"),
        },
        _ => return false,
    };
    wraps.push(wrap);
    is_token(inner, wraps)
}

fn around(path: &Path) -> Option<(Wrap, &Type)> {
    let last = path.segments.last()?;
    let wrap = match last.ident.to_string().as_str() {
        "Arc" => Wrap::Arc,
        "Option" => Wrap::Option,
        _ => return None,
    };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(ty) => Some((wrap, ty)),
            _ => None,
        },
        _ => None,
    }
}

// Input, where neither the body nor an argument names it:
//     _shutdown: CancellationToken
//
// Output, the same, but for generated code alone to see:
//     _shutdown: CancellationToken
//
/// Takes parameters that say they are unused, and are, out of the user's sight. The guard does use
/// them, and a lint that counts uses would point at the user's own name.
///
/// Those that are used all the same stay in sight:
///
/// ```
/// # use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
/// #[cancel_guarded(state = _state)]
/// async fn start(_state: &StateCell, _shutdown: CancellationToken, _port: u16) -> Option<u16> {
///     Some(_port)
/// }
/// ```
pub(crate) fn hide_unused(guard: &mut Guard) {
    let Guard {
        args,
        function,
        by,
        beside,
        ..
    } = guard;
    let mut inputs = mem::take(&mut function.sig.inputs);
    let mut hide = Hide { args, function };
    for input in &mut inputs {
        if let FnArg::Typed(param) = input {
            hide.at(Node::Pat(&mut param.pat));
        }
    }
    if let GuardedBy::Param { param, .. } = by {
        hide.ident(&mut param.ident);
    }
    for beside in beside {
        hide.ident(&mut beside.ident);
    }
    function.sig.inputs = inputs;
}

struct Hide<'a> {
    args: &'a Args,
    function: &'a GuardedFn,
}

impl Walk for Hide<'_> {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::PatIdent(pat) => {
                self.ident(&mut pat.ident);
                if let Some((_, pat)) = &mut pat.subpat {
                    self.at(Node::Pat(pat));
                }
            }
            Node::Ident(ident) => self.ident(ident),
            Node::Path(_) => {}
            node => node.inside(self),
        }
    }
}

impl Hide<'_> {
    fn ident(&self, ident: &mut Ident) {
        let is_unused = ident.to_string().starts_with('_')
            && !self.args.mention(ident)
            && !self.function.uses(ident);
        if is_unused {
            ident.set_span(Span::mixed_site().located_at(ident.span()));
        }
    }
}

/// The statements that bring the parameters of an `async fn` into its body, in the order in which
/// the function declares them. So they are dropped in the reverse, as everywhere.
///
/// Takes what they bind anew off the signature: a `mut`, a pattern that leaves something behind.
pub(crate) fn move_in(
    sig: &mut Signature,
    child: Option<&TokenParam>,
    given_up: Option<&TokenParam>,
    beside: &[Beside],
) -> TokenStream {
    let mut stmts = TokenStream::new();
    for (index, input) in sig.inputs.iter_mut().enumerate() {
        let param = match input {
            FnArg::Receiver(receiver) => {
                stmts.extend(capture_self(receiver));
                continue;
            }
            FnArg::Typed(param) => param,
        };
        let beside = variable(&param.pat)
            .and_then(|name| beside.iter().find(|beside| beside.ident == *name));
        let moved = match (child, beside) {
            (Some(token), _) if token.index == index => {
                let mutability = strip_mut(&mut param.pat);
                child_binding(token, token.child(), mutability.as_ref())
            }
            _ if given_up.is_some_and(|token| token.index == index) => Vec::new(),
            (_, Some(beside)) => Vec::from_iter(capture(beside)),
            _ => move_param(index, param),
        };
        let attrs = param.attrs.iter().filter(|attr| is_about_binding(attr));
        let attrs = quote!(#(#attrs)*);
        if !moved.is_empty() {
            // What is expected of the parameter now happens to the variable that takes its place.
            param.attrs.retain(|attr| !attr.path().is_ident("expect"));
        }
        for stmt in moved {
            stmts.extend([attrs.clone(), stmt]);
        }
    }
    stmts
}

/// Whether an attribute of a parameter is one of the statement that binds it, too.
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
// A reference owns nothing. The mention of anything else captures the whole of it, even where the
// body uses but a field; and a `mut self` may stay in the signature.
fn capture_self(receiver: &Receiver) -> TokenStream {
    let owned = match &receiver.kind {
        ReceiverKind::Value => true,
        ReceiverKind::Typed(_, ty) => !matches!(&**ty, Type::Reference(_)),
        _ => false,
    };
    let self_token = &receiver.self_token;
    if owned {
        let span = Span::mixed_site().located_at(self_token.span);
        quote_spanned!(span=> let _ = &#self_token;)
    } else {
        TokenStream::new()
    }
}

// Input:
//     cfg: Config             mut n: u64              (a, b): (A, B)
//
// Output:
//     let cfg = cfg;          let mut n = n;          let a = a; let b = b;
//
// Input, of which the pattern leaves something behind:
//     (a, _): (A, B)
//
// Output, where the signature has `__arg0: (A, B)`:
//     let __arg0 = __arg0; let (a, _) = __arg0;
//
// A pattern that leaves nothing behind stays where it is, for attributes below this one to see:
// `#[instrument]` records its variables.
fn move_param(index: usize, param: &mut PatType) -> Vec<TokenStream> {
    if !binds_all(&param.pat) {
        let whole = positional(index, &param.pat);
        let mut pat = mem::replace(&mut *param.pat, plain(whole.clone()));
        let mut stmts = vec![rebind(borrows_mutably(&mut pat).as_ref(), &whole)];
        if !matches!(pat, Pat::Wild(_)) {
            stmts.push(quote!(let #pat = #whole;));
        }
        return stmts;
    }
    let is_reference = matches!(&*param.ty, Type::Reference(_));
    let mut rebound = Rebind(Vec::new());
    rebound.at(Node::Pat(&mut param.pat));
    rebound
        .0
        .into_iter()
        .filter(|(mutability, _)| mutability.is_some() || !is_reference)
        .map(|(mutability, ident)| rebind(mutability.as_ref(), &ident))
        .collect()
}

fn rebind(mutability: Option<&Token![mut]>, ident: &Ident) -> TokenStream {
    let span = Span::mixed_site().located_at(ident.span());
    quote_spanned!(span=> let #mutability #ident = #ident;)
}

/// Takes the variables of a pattern out of it, and their `mut` off it.
struct Rebind(Vec<(Option<Token![mut]>, Ident)>);

impl Walk for Rebind {
    fn at(&mut self, mut node: Node<'_>) {
        if let Node::PatIdent(pat) = &mut node {
            self.0.push((pat.mutability.take(), pat.ident.clone()));
        }
        node.inside(self);
    }
}

/// The one variable that a pattern binds its whole value to.
pub(crate) fn variable(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() => Some(&pat.ident),
        Pat::Paren(pat) => variable(&pat.pat),
        _ => None,
    }
}

/// Whether a receiver is `&self`, or `self: &Self`.
pub(crate) fn is_shared(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_none(),
        ReceiverKind::Typed(_, ty) => is_shared_reference(ty),
        _ => false,
    }
}

/// Whether a type is `&T`.
pub(crate) fn is_shared_reference(ty: &Type) -> bool {
    matches!(ty, Type::Reference(reference) if reference.mutability.is_none())
}

fn bound_by_ref(pat: &Pat) -> Option<Token![ref]> {
    match pat {
        Pat::Ident(pat) => pat.by_ref,
        Pat::Paren(pat) => bound_by_ref(&pat.pat),
        _ => None,
    }
}

fn strip_mut(pat: &mut Pat) -> Option<Token![mut]> {
    match pat {
        Pat::Ident(pat) => pat.mutability.take(),
        Pat::Paren(pat) => strip_mut(&mut pat.pat),
        _ => None,
    }
}

/// Whether a pattern moves all of its value into variables.
fn binds_all(pat: &Pat) -> bool {
    match pat {
        Pat::Ident(pat) => pat.by_ref.is_none(),
        Pat::Paren(pat) => binds_all(&pat.pat),
        Pat::Reference(pat) => binds_all(&pat.pat),
        Pat::Struct(pat) => pat.rest.is_none() && pat.fields.iter().all(|f| binds_all(&f.pat)),
        Pat::Tuple(pat) => pat.elems.iter().all(binds_all),
        Pat::TupleStruct(pat) => pat.elems.iter().all(binds_all),
        _ => false,
    }
}

/// The `mut` of a `ref mut` in a pattern: what it borrows from is to be mutable.
fn borrows_mutably(pat: &mut Pat) -> Option<Token![mut]> {
    struct RefMut(Option<Token![mut]>);

    impl Walk for RefMut {
        fn at(&mut self, node: Node<'_>) {
            match &node {
                Node::PatIdent(pat) if pat.by_ref.is_some() => self.0 = self.0.or(pat.mutability),
                _ => {}
            }
            node.inside(self);
        }
    }

    let mut found = RefMut(None);
    found.at(Node::Pat(pat));
    found.0
}

fn plain(ident: Ident) -> Pat {
    Pat::Ident(PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident,
        subpat: None,
    })
}

fn positional(index: usize, pat: &Pat) -> Ident {
    let place = ends(pat).0;
    format_ident!("__arg{index}", span = Span::mixed_site().located_at(place))
}

// Input:
//     mut shutdown: CancellationToken
//
// Output:
//     let mut shutdown = __attempt.child(shutdown);
fn child_binding(
    token: &TokenParam,
    child: Option<Child>,
    mutability: Option<&Token![mut]>,
) -> Vec<TokenStream> {
    let ident = &token.ident;
    let span = Span::mixed_site().located_at(ident.span());
    let attempt = attempt(span);
    let Child { borrows, as_ref } = child.unwrap_or(Child {
        borrows: 0,
        as_ref: false,
    });
    let borrows = (0..borrows).map(|_| quote_spanned!(span=> &));
    let owned = quote_spanned!(span=> #attempt.child(#ident));
    if as_ref {
        vec![
            quote_spanned!(span=> let #ident = #owned;),
            quote_spanned!(span=> let #mutability #ident = #(#borrows)* #ident.as_ref();),
        ]
    } else {
        vec![quote_spanned!(span=> let #mutability #ident = #(#borrows)* #owned;)]
    }
}

// Input:
//     fn start(_: CancellationToken) -> BoxFuture<'static, ()> { Box::pin(async { .. }) }
//
// Output:
//     fn start(__arg0: CancellationToken) -> BoxFuture<'static, ()> { .. }
//
/// Gives a token parameter that has no name one of ours, in a function that is not `async`.
/// What its pattern binds is bound at the call.
pub(crate) fn name_in_tail(function: &mut GuardedFn, token: &TokenParam) {
    let param = match function.sig.inputs.iter_mut().nth(token.index) {
        Some(FnArg::Typed(param)) if !token.has_name => param,
        _ => return,
    };
    let ident = &token.ident;
    let pat = mem::replace(&mut *param.pat, plain(ident.clone()));
    if let (Form::Tail { prologue, .. }, false) = (&mut function.form, matches!(pat, Pat::Wild(_)))
    {
        let bind = Expr::Verbatim(quote!(let #pat = #ident;));
        prologue.insert(0, Stmt::Expr(bind, None));
    }
}

/// The statement that gives a body its child token, where the other parameters are captured by
/// an async block of the user's. If a statement before that block gave the parameter's name to
/// another value, then that is an owned clone of the token.
pub(crate) fn child_in_tail(function: &mut GuardedFn, token: &TokenParam) -> TokenStream {
    let is_shadowed = function.shadows(&token.ident);
    let is_used = function.uses_at_call(&token.ident);
    let pat = match function.sig.inputs.iter_mut().nth(token.index) {
        Some(FnArg::Typed(param)) => Some(&mut *param.pat),
        _ => None,
    };
    let mutability = match pat {
        Some(Pat::Ident(pat)) if is_used => pat.mutability,
        Some(pat) => strip_mut(pat),
        None => None,
    };
    let child = token.child().filter(|_| !is_shadowed);
    let mutability = mutability.filter(|_| !is_shadowed);
    child_binding(token, child, mutability.as_ref())
        .into_iter()
        .collect()
}

// Input:
//     state: StateCell
//
// Output, where the attribute says `state = state` and the body never mentions it:
//     let _ = &state;
//
/// The statement that captures a parameter which only the attribute uses. A binding would be a
/// variable that nobody uses.
pub(crate) fn capture(beside: &Beside) -> Option<TokenStream> {
    let ident = &beside.ident;
    let span = Span::mixed_site().located_at(ident.span());
    (!beside.is_reference).then(|| quote_spanned!(span=> let _ = &#ident;))
}
