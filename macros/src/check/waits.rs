//! Statements that wait.

use syn::{Expr, Stmt};

use crate::syntax::may_suspend;
use crate::visit::{Node, Visit};

/// Whether a statement waits, or may wait in a macro.
pub(crate) fn may_wait(stmt: &mut Stmt) -> bool {
    struct Waits(bool);

    impl Visit for Waits {
        fn visit_node(&mut self, node: Node<'_>) {
            match node {
                Node::Expr(Expr::Await(_)) => self.0 = true,
                Node::Macro(mac) => self.0 |= may_suspend(mac),
                Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Item(_) => {}
                node => node.visit_children(self),
            }
        }
    }

    let mut found = Waits(false);
    found.visit_node(Node::Stmt(stmt));
    found.0
}
