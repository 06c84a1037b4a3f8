//! The parameters in the signature, as lints and rustdoc see them.

use std::mem;

use proc_macro2::{Ident, Span};
use syn::{FnArg, Pat, PatWild, Signature, Token, parse_quote_spanned};

use crate::args::Args;
use crate::function::GuardedFn;
use crate::model::{Guard, TokenSource};
use crate::visit::{Node, Visit};

// Input, where neither the body nor an argument mentions it:
//     _shutdown: CancellationToken
//
// Output, the same, but with a span that only generated code sees:
//     _shutdown: CancellationToken
//
/// Hides parameters whose names begin with `_` and that the user does not use. The guard does use
/// them, and a lint that counts uses would point at the user's own name.
///
/// Those that are used stay visible:
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
        token,
        params,
        ..
    } = guard;
    let mut inputs = mem::take(&mut function.sig.inputs);
    let mut hide = HideUnused { args, function };
    for input in &mut inputs {
        if let FnArg::Typed(param) = input {
            hide.visit_node(Node::Pat(&mut param.pat));
        }
    }
    if let TokenSource::Param { param, .. } = token {
        hide.ident(&mut param.ident);
    }
    for param in &mut params.attr_only {
        hide.ident(&mut param.ident);
    }
    function.sig.inputs = inputs;
}

struct HideUnused<'a> {
    args: &'a Args,
    function: &'a GuardedFn,
}

impl Visit for HideUnused<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::PatIdent(pat) => {
                self.ident(&mut pat.ident);
                if let Some((_, pat)) = &mut pat.subpat {
                    self.visit_node(Node::Pat(pat));
                }
            }
            Node::Ident(ident) => self.ident(ident),
            Node::Path(_) => {}
            node => node.visit_children(self),
        }
    }
}

impl HideUnused<'_> {
    fn ident(&self, ident: &mut Ident) {
        let is_unused = ident.to_string().starts_with('_')
            && !self.args.args_mention(ident)
            && !self.function.fn_mentions(ident);
        if is_unused {
            ident.set_span(Span::mixed_site().located_at(ident.span()));
        }
    }
}

/// The positions of the parameters whose pattern is `_`.
pub(crate) fn nameless(sig: &Signature) -> Vec<usize> {
    let inputs = sig.inputs.iter().enumerate();
    let nameless = inputs.filter_map(|(index, input)| match input {
        FnArg::Typed(param) => matches!(*param.pat, Pat::Wild(_)).then_some(index),
        FnArg::Receiver(_) => None,
    });
    nameless.collect()
}

// Input, where the user wrote `_: CancellationToken`:
//     __arg0: CancellationToken
//
// Output:
//     #[cfg(doc)] _: CancellationToken, #[cfg(not(doc))] __arg0: CancellationToken
//
/// Shows the parameters that got a generated name in rustdoc as the user wrote them.
pub(crate) fn document_nameless(sig: &mut Signature, nameless: &[usize]) {
    let span = Span::mixed_site();
    for (index, input) in mem::take(&mut sig.inputs).into_iter().enumerate() {
        match input {
            FnArg::Typed(mut named)
                if nameless.contains(&index) && !matches!(*named.pat, Pat::Wild(_)) =>
            {
                let mut documented = named.clone();
                *documented.pat = Pat::Wild(PatWild {
                    attrs: Vec::new(),
                    underscore_token: Token![_](span),
                });
                documented
                    .attrs
                    .push(parse_quote_spanned!(span=> #[cfg(doc)]));
                named
                    .attrs
                    .push(parse_quote_spanned!(span=> #[cfg(not(doc))]));
                sig.inputs
                    .extend([FnArg::Typed(documented), FnArg::Typed(named)]);
            }
            input => sig.inputs.push(input),
        }
    }
}
