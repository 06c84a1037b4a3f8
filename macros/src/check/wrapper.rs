//! Bodies that an unknown attribute above this one has wrapped.

use proc_macro2::TokenTree;
use syn::{Expr, Stmt};

use crate::function::GuardedFn;
use crate::visit::{Node, Visit, visit_stmts};

/// Whether another attribute has wrapped the body. Its own variables, and absolute paths around an
/// async block, show that a macro wrote it.
pub(crate) fn is_wrapped(function: &mut GuardedFn) -> bool {
    struct Wrapper {
        wraps: bool,
        is_generated: bool,
    }

    impl Visit for Wrapper {
        fn visit_node(&mut self, node: Node<'_>) {
            match &node {
                Node::Expr(Expr::Async(expr)) => {
                    self.wraps |= expr.capture.is_some();
                    return;
                }
                Node::Macro(mac) => {
                    let is_async = |tree| matches!(tree, TokenTree::Ident(word) if word == "async");
                    self.wraps |= mac.tokens.clone().into_iter().any(is_async);
                }
                Node::Path(path) => self.is_generated |= path.leading_colon.is_some(),
                Node::Ident(ident) => {
                    let name = ident.to_string();
                    self.is_generated |= name.starts_with("__") && name != "__self";
                }
                _ => {}
            }
            node.visit_children(self);
        }
    }

    let stmts = function.user_stmts();
    let [lets @ .., Stmt::Expr(Expr::Await(_), None)] = &*stmts else {
        return false;
    };
    if !lets.iter().all(|stmt| matches!(stmt, Stmt::Local(_))) {
        return false;
    }
    let mut wrapper = Wrapper {
        wraps: false,
        is_generated: false,
    };
    visit_stmts(stmts, &mut wrapper);
    wrapper.wraps && wrapper.is_generated
}
