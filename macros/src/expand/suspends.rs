//! Where a macro suspends the body: the generated code cannot check an await inside a macro's input,
//! so it checks after the statement.

use proc_macro2::Span;
use syn::{Expr, Macro, Stmt};

use crate::syntax::{find_ident, has_semi, may_suspend};
use crate::visit::{Node, Visit};

/// The place of a check after a statement, if the statement may end right after a macro has
/// suspended.
pub(crate) fn stmt_leaves_unchecked(stmt: &mut Stmt) -> Option<Span> {
    // Nothing follows these.
    if let Stmt::Expr(Expr::Return(_) | Expr::Break(_) | Expr::Continue(_), _) = stmt {
        return None;
    }
    let mut found = Suspends {
        place: None,
        blocks: Blocks::Last,
    };
    found.visit_node(Node::Stmt(stmt));
    found.place
}

/// The place of a check before a statement, if a macro in it may begin an operation. The statements
/// of nested blocks have their own checks.
pub(crate) fn stmt_begins_by_macro(stmt: &mut Stmt) -> Option<Span> {
    let mut found = Suspends {
        place: None,
        blocks: Blocks::None,
    };
    found.visit_node(Node::Stmt(stmt));
    found.place
}

/// The place of the first macro in an expression that may suspend.
pub(crate) fn suspends_by_macro(expr: &mut Expr) -> Option<Span> {
    let mut found = Suspends {
        place: None,
        blocks: Blocks::All,
    };
    found.visit_node(Node::Expr(expr));
    found.place
}

/// The place of a check at the beginning of each round of a loop, if a `continue` may begin a round
/// right after a macro has suspended.
pub(crate) fn round_begins_unchecked(expr: &mut Expr) -> Option<Span> {
    if !matches!(expr, Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_)) {
        return None;
    }
    let mut continues = Continues(false);
    Node::Expr(expr).visit_children(&mut continues);
    if !continues.0 {
        return None;
    }
    suspends_by_macro(expr)
}

struct Suspends {
    place: Option<Span>,
    blocks: Blocks,
}

/// The statements of nested blocks that are visited.
#[derive(Clone, Copy, PartialEq)]
enum Blocks {
    None,
    /// The last expression, which has no check of its own.
    Last,
    All,
}

impl Visit for Suspends {
    fn visit_node(&mut self, node: Node<'_>) {
        if self.place.is_some() {
            return;
        }
        match node {
            Node::Macro(mac) => self.place = macro_suspends(mac),
            Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Const(_) | Node::Item(_) => {}
            Node::Expr(expr @ (Expr::Loop(_) | Expr::While(_) | Expr::ForLoop(_))) => {
                // A `break` leaves the loop past the check at the end of a round.
                let blocks = self.blocks;
                if blocks == Blocks::Last {
                    self.blocks = Blocks::All;
                }
                Node::Expr(expr).visit_children(self);
                self.blocks = blocks;
            }
            Node::Block(_) if self.blocks == Blocks::None => {}
            Node::Block(block) if self.blocks == Blocks::Last => {
                if let Some(stmt @ (Stmt::Expr(_, None) | Stmt::Macro(_))) = block.stmts.last_mut()
                {
                    if !has_semi(stmt) {
                        self.visit_node(Node::Stmt(stmt));
                    }
                }
            }
            node => node.visit_children(self),
        }
    }
}

/// The place of a macro that may suspend the body.
fn macro_suspends(mac: &Macro) -> Option<Span> {
    let last = mac.path.segments.last()?;
    may_suspend(mac).then(|| last.ident.span())
}

/// Finds a `continue`, also in the input of a macro.
struct Continues(bool);

impl Visit for Continues {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Expr(Expr::Continue(_)) => self.0 = true,
            Node::Macro(mac) => self.0 |= find_ident(mac.tokens.clone(), "continue").is_some(),
            Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Const(_) | Node::Item(_) => {}
            node => node.visit_children(self),
        }
    }
}
