//! Which statement of a block is the last one that does something.

use syn::{Attribute, Block, Expr, Macro, Stmt};

use super::names;

/// The index of the last statement that does more than log or pass on a result.
pub(crate) fn last_effect(stmts: &[Stmt]) -> Option<usize> {
    stmts.iter().rposition(|stmt| !is_trivial(stmt))
}

/// Whether a block leaves the function at its end.
pub(crate) fn ends_in_return(stmts: &[Stmt]) -> bool {
    matches!(stmts.last(), Some(Stmt::Expr(Expr::Return(_), _)))
}

fn is_trivial(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Item(_) => true,
        Stmt::Macro(stmt) => is_log(&stmt.mac),
        Stmt::Expr(expr, _) => is_trivial_expr(expr),
        Stmt::Local(_) => false,
    }
}

fn is_log(mac: &Macro) -> bool {
    mac.path
        .segments
        .last()
        .is_some_and(|last| names::is_log(&last.ident.to_string()))
}

pub(crate) fn is_trivial_block(block: &Block) -> bool {
    block.stmts.iter().all(is_trivial)
}

/// Whether an expression only names, wraps or logs what is there already.
pub(crate) fn is_trivial_expr(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) | Expr::Continue(_) => true,
        Expr::Macro(expr) => is_log(&expr.mac),
        Expr::Group(expr) => is_trivial_expr(&expr.expr),
        Expr::Paren(expr) => is_trivial_expr(&expr.expr),
        Expr::Reference(expr) => is_trivial_expr(&expr.expr),
        Expr::Try(expr) => is_trivial_expr(&expr.expr),
        Expr::Tuple(expr) => expr.elems.iter().all(is_trivial_expr),
        Expr::Return(expr) => expr.expr.as_deref().is_none_or(is_trivial_expr),
        Expr::Break(expr) => expr.expr.as_deref().is_none_or(is_trivial_expr),
        Expr::Block(expr) => is_trivial_block(&expr.block),
        Expr::Let(expr) => is_trivial_expr(&expr.expr),
        Expr::Call(call) => {
            let is_wrapper = match &*call.func {
                Expr::Path(path) => ["Ok", "Err", "Some", "drop"]
                    .iter()
                    .any(|name| path.path.is_ident(name)),
                _ => false,
            };
            is_wrapper && call.args.iter().all(is_trivial_expr)
        }
        Expr::MethodCall(call) => {
            let method = call.method.to_string();
            let is_conversion = matches!(
                method.as_str(),
                "map" | "map_err" | "context" | "with_context" | "wrap_err" | "wrap_err_with"
            );
            (is_conversion || names::returns_same(&method)) && is_trivial_expr(&call.receiver)
        }
        Expr::If(expr) => {
            is_trivial_expr(&expr.cond)
                && is_trivial_block(&expr.then_branch)
                && expr
                    .else_branch
                    .as_ref()
                    .is_none_or(|(_, branch)| is_trivial_expr(branch))
        }
        Expr::Match(expr) => {
            is_trivial_expr(&expr.expr) && expr.arms.iter().all(|arm| is_trivial_expr(&arm.body))
        }
        _ => false,
    }
}

/// Whether a statement has the attribute of this name.
///
/// The parser gives the attribute of `#[shielded] self.c = f().await;` to `self.c`.
pub(crate) fn has_attr(stmt: &Stmt, name: &str) -> bool {
    attrs(stmt).iter().any(|attr| attr.path().is_ident(name))
}

fn attrs(stmt: &Stmt) -> &[Attribute] {
    match stmt {
        Stmt::Local(local) => &local.attrs,
        Stmt::Macro(stmt) => &stmt.attrs,
        Stmt::Expr(expr, _) => expr_attrs(expr),
        Stmt::Item(_) => &[],
    }
}

fn expr_attrs(expr: &Expr) -> &[Attribute] {
    macro_rules! attrs_of {
        ($($variant:ident)*) => {
            match expr {
                Expr::Assign(expr) => expr_attrs(&expr.left),
                Expr::Binary(expr) => expr_attrs(&expr.left),
                Expr::Cast(expr) => expr_attrs(&expr.expr),
                $(Expr::$variant(expr) => &expr.attrs,)*
                _ => &[],
            }
        };
    }
    attrs_of!(
        Array Async Await Block Break Call Closure Const Continue Field ForLoop Group If Index Lit
        Loop Macro Match MethodCall Paren Path Range Reference Repeat Return Struct Try Tuple Unary
        Unsafe While
    )
}
