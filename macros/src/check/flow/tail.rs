//! Which statement of a block is the last one that does something.

use syn::{Attribute, Block, Expr, Ident, Macro, Pat, Stmt};

use super::names;

/// The index of the last statement that does more than log or pass on a result.
///
/// Where the block returns a variable, as in `let r = run().await; clean_up(); r`, it is the
/// declaration of that variable.
pub(crate) fn last_effect(stmts: &[Stmt]) -> Option<usize> {
    let returned = match stmts.last() {
        Some(Stmt::Expr(expr, None)) => returned_variable(expr),
        _ => None,
    };
    let declaration = returned.and_then(|name| {
        stmts.iter().rposition(|stmt| match stmt {
            Stmt::Local(local) => is_variable(&local.pat, name),
            _ => false,
        })
    });
    declaration.or_else(|| stmts.iter().rposition(|stmt| !is_trivial(stmt)))
}

/// The variable that an expression returns, perhaps in another form.
fn returned_variable(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Paren(expr) => returned_variable(&expr.expr),
        Expr::Try(expr) => returned_variable(&expr.expr),
        Expr::MethodCall(call) if names::converts(&call.method.to_string()) => {
            returned_variable(&call.receiver)
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) if path.path.is_ident("Ok") => returned_variable(call.args.first()?),
            _ => None,
        },
        _ => None,
    }
}

fn is_variable(pat: &Pat, name: &Ident) -> bool {
    match pat {
        Pat::Ident(pat) => pat.ident == *name,
        Pat::Type(pat) => is_variable(&pat.pat, name),
        _ => false,
    }
}

/// Whether a block leaves the function at its end, and not with an error.
pub(crate) fn ends_in_return(stmts: &[Stmt]) -> bool {
    matches!(stmts.last(), Some(Stmt::Expr(Expr::Return(_), _))) && !ends_in_error(stmts)
}

/// Whether the value of a block, or what it returns at its end, is `Err(..)`.
pub(crate) fn ends_in_error(stmts: &[Stmt]) -> bool {
    match stmts.last() {
        Some(Stmt::Expr(Expr::Return(returned), _)) => {
            returned.expr.as_deref().is_some_and(is_error)
        }
        Some(Stmt::Expr(expr, None)) => is_error(expr),
        _ => false,
    }
}

/// Whether the value of a block is `Ok(..)`.
pub(crate) fn ends_in_ok(stmts: &[Stmt]) -> bool {
    matches!(stmts.last(), Some(Stmt::Expr(expr, None)) if is_call_of(expr, "Ok"))
}

/// Whether an expression is `Err(..)`.
pub(crate) fn is_error(expr: &Expr) -> bool {
    is_call_of(expr, "Err")
}

fn is_call_of(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Path(path) if path.path.is_ident(name))
        }
        _ => false,
    }
}

fn is_trivial(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Item(_) => true,
        Stmt::Macro(stmt) => makes_value(&stmt.mac),
        Stmt::Expr(expr, _) => is_trivial_expr(expr),
        Stmt::Local(local) => local
            .init
            .as_ref()
            .is_none_or(|init| is_trivial_expr(&init.expr)),
    }
}

fn makes_value(mac: &Macro) -> bool {
    mac.path
        .segments
        .last()
        .is_some_and(|last| names::only_evaluates(&last.ident.to_string()))
}

pub(crate) fn is_trivial_block(block: &Block) -> bool {
    block.stmts.iter().all(is_trivial)
}

/// Whether an expression only names, makes or logs a value: it awaits nothing, and calls nothing
/// that could do the work of the function.
pub(crate) fn is_trivial_expr(expr: &Expr) -> bool {
    match expr {
        Expr::Path(_) | Expr::Lit(_) | Expr::Continue(_) | Expr::Closure(_) => true,
        Expr::Macro(expr) => makes_value(&expr.mac),
        Expr::Group(expr) => is_trivial_expr(&expr.expr),
        Expr::Paren(expr) => is_trivial_expr(&expr.expr),
        Expr::Reference(expr) => is_trivial_expr(&expr.expr),
        Expr::Try(expr) => is_trivial_expr(&expr.expr),
        Expr::Field(expr) => is_trivial_expr(&expr.base),
        Expr::Unary(expr) => is_trivial_expr(&expr.expr),
        Expr::Binary(expr) => is_trivial_expr(&expr.left) && is_trivial_expr(&expr.right),
        Expr::Tuple(expr) => expr.elems.iter().all(is_trivial_expr),
        Expr::Struct(expr) => expr.fields.iter().all(|field| is_trivial_expr(&field.expr)),
        Expr::Return(expr) => expr.expr.as_deref().is_none_or(is_trivial_expr),
        Expr::Break(expr) => expr.expr.as_deref().is_none_or(is_trivial_expr),
        Expr::Block(expr) => is_trivial_block(&expr.block),
        Expr::Let(expr) => is_trivial_expr(&expr.expr),
        Expr::Call(call) => {
            let makes_value = match &*call.func {
                Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
                    let name = last.ident.to_string();
                    name.starts_with(char::is_uppercase)
                        || matches!(name.as_str(), "drop" | "new" | "from")
                }),
                _ => false,
            };
            makes_value && call.args.iter().all(is_trivial_expr)
        }
        Expr::MethodCall(call) => {
            names::converts(&call.method.to_string())
                && is_trivial_expr(&call.receiver)
                && call.args.iter().all(is_trivial_expr)
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
