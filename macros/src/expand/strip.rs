//! The body after an error: it compiles without a guard, so that the error stays the only one.

use proc_macro2::Ident;
use quote::quote;
use syn::{Expr, ExprMethodCall};

use crate::syntax::{is_atomic_store, is_guard_attr, is_part, is_store};
use crate::visit::{Node, Visit};

/// Removes what only a guarded body may contain: `#[shielded]`, `#[detached]`, and the stores. Corrects
/// what rustc would report once more.
pub(crate) struct StripGuardSyntax {
    pub(crate) state: Option<Expr>,
    /// Whether all stores are removed where there is no `state`: its value could not be parsed, or a
    /// run has forgotten it.
    pub(crate) strips_all_stores: bool,
}

impl StripGuardSyntax {
    fn is_store(&self, call: &ExprMethodCall) -> bool {
        match &self.state {
            Some(state) => is_store(call, state) || is_atomic_store(call, state),
            None => self.strips_all_stores && call.method == "store" && call.args.len() == 1,
        }
    }

    // Input:
    //     self.state.serve(shutdown.cancelled())
    //
    // Output:
    //     self.state.serve(shutdown.clone().cancelled_owned())
    fn own_wait(&self, part: &mut ExprMethodCall) {
        let is_part = self
            .state
            .as_ref()
            .is_some_and(|state| is_part(part, state));
        if let (true, Some(Expr::MethodCall(wait))) = (is_part, part.args.first_mut()) {
            if wait.method == "cancelled" {
                let token = &wait.receiver;
                *wait.receiver = Expr::Verbatim(quote!((#token).clone()));
                wait.method = Ident::new("cancelled_owned", wait.method.span());
            }
        }
    }

    // Input:
    //     self.state.store(Lifecycle::Running)
    //
    // Output:
    //     ::core::mem::drop((&self.state, Lifecycle::Running))
    fn expr(&mut self, expr: &mut Expr) {
        Node::Expr(expr).visit_children(self);
        if let Expr::MethodCall(call) = expr {
            self.own_wait(call);
            if self.is_store(call) {
                let ExprMethodCall { receiver, args, .. } = call;
                *expr = Expr::Verbatim(quote!(::core::mem::drop((&#receiver, #args))));
            }
        }
    }
}

impl Visit for StripGuardSyntax {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Attributes(attrs) => attrs.retain(|attr| !is_guard_attr(attr)),
            Node::Expr(expr) => self.expr(expr),
            node => node.visit_children(self),
        }
    }
}
