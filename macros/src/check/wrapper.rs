//! Bodies that an unknown attribute above this one has wrapped.

use proc_macro2::{Span, TokenTree};
use syn::{Expr, Macro, Stmt};

use crate::function::GuardedFn;
use crate::visit::{Node, Visit, visit_stmts};

/// Whether another attribute has moved the body into an async block or a closure. The awaits there
/// could not be checked, and the stores would not compile.
pub(crate) fn is_wrapped(function: &mut GuardedFn) -> bool {
    let is_async = function.is_async();
    let mut found = GeneratedBlock(false);
    visit_stmts(function.user_stmts(), &mut found);
    // Another macro may have generated the whole function.
    let name = &function.sig.ident;
    found.0 && !is_generated(name.span(), &name.to_string())
        || is_async && has_generated_names(function.user_stmts())
}

/// Whether a token was generated, as far as its span tells: the source at the span of a generated
/// token is that of the attribute, or of the user's tokens that it was placed at.
fn is_generated(span: Span, text: &str) -> bool {
    span.source_text().is_some_and(|source| source != text)
}

/// Finds an async block or a closure that the user did not write.
struct GeneratedBlock(bool);

impl Visit for GeneratedBlock {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Expr(Expr::Async(block)) => {
                self.0 |= is_generated(block.async_token.span, "async");
            }
            Node::Expr(Expr::Closure(closure)) => {
                let capture = closure.capture;
                self.0 |= capture.is_some_and(|capture| is_generated(capture.span, "move"));
            }
            Node::Macro(mac) => self.0 |= has_async(mac, &|span| is_generated(span, "async")),
            Node::Item(_) | Node::Const(_) => {}
            node => node.visit_children(self),
        }
    }
}

/// Whether an async block is among the outermost tokens of a macro's input.
fn has_async(mac: &Macro, is_wanted: &dyn Fn(Span) -> bool) -> bool {
    mac.tokens.clone().into_iter().any(
        |tree| matches!(tree, TokenTree::Ident(word) if word == "async" && is_wanted(word.span())),
    )
}

/// Whether the body is one awaited async block with names around it as macros choose them: variables
/// that begin with `__`, and absolute paths. Spans without a source show no more than this.
fn has_generated_names(stmts: &mut [Stmt]) -> bool {
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
                Node::Macro(mac) => self.wraps |= has_async(mac, &|_| true),
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
