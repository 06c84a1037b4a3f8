//! The bodies that other macros have wrapped before this one runs, each shape with its name.

use syn::{Expr, ExprBlock, Pat, Stmt};

/// Called with the statements of the innermost body. A returned `&mut` would make the borrow checker
/// keep the outer block borrowed where there is no inner one.
type BodyFn<'a, R> = &'a mut dyn FnMut(&mut Vec<Stmt>) -> R;

/// Calls `f` with the user's own statements, inside what other macros have put around them.
pub(crate) fn with_inner_body<R>(stmts: &mut Vec<Stmt>, f: BodyFn<'_, R>) -> R {
    if let Some(instrumented) = stmts.iter_mut().find_map(instrumented) {
        return with_awaited_block(instrumented, f);
    }
    if let Some(entered) = entered(stmts) {
        return with_inferred_block(entered, f);
    }
    with_returned_block(stmts, f)
}

// Input, from `#[instrument]` above a function that is not `async`:
//     {
//         let __tracing_attr_span;
//         let __tracing_attr_guard;
//         if .. { .. }
//         { BODY }
//     }
//
// or, with `err` or `ret`:
//     let __tracing_attr_span;
//     let __tracing_attr_guard;
//     if .. { .. }
//     match (move || { BODY })() { .. }
//
// where the last line may also be:
//     let x = (move || { BODY })();
//     ..
//     x
//
// Returns:
//     BODY
fn entered(stmts: &mut [Stmt]) -> Option<&mut Vec<Stmt>> {
    let enters_span = |stmts: &[Stmt]| {
        let mut names = stmts.iter().filter_map(bound_name);
        names.any(|name| name == "__tracing_attr_guard")
    };
    if enters_span(stmts) {
        return stmts.iter_mut().find_map(called_closure);
    }
    let Some(Stmt::Expr(Expr::Block(outer), None)) = stmts.last_mut() else {
        return None;
    };
    if !enters_span(&outer.block.stmts) {
        return None;
    }
    match outer.block.stmts.last_mut()? {
        Stmt::Expr(Expr::Block(inner), None) => Some(&mut inner.block.stmts),
        _ => None,
    }
}

// Input:
//     match (move || { BODY })() { .. }
//     let x = (move || { BODY })();
//
// Returns:
//     BODY
fn called_closure(stmt: &mut Stmt) -> Option<&mut Vec<Stmt>> {
    let value = match stmt {
        Stmt::Expr(Expr::Match(scrutinee), None) => &mut scrutinee.expr,
        Stmt::Local(local) => &mut local.init.as_mut()?.expr,
        _ => return None,
    };
    let Expr::Call(call) = &mut **value else {
        return None;
    };
    let Expr::Paren(callee) = &mut *call.func else {
        return None;
    };
    let Expr::Closure(closure) = &mut *callee.expr else {
        return None;
    };
    match &mut *closure.body {
        Expr::Block(body) => Some(&mut body.block.stmts),
        _ => None,
    }
}

// Input, from `#[instrument]` above:
//     let __tracing_attr_span = ..;
//     let __tracing_instrument_future = async move { BODY };
//     if !__tracing_attr_span.is_disabled() { .. } else { .. }
//
// Calls `f` with:
//     BODY
fn instrumented(stmt: &mut Stmt) -> Option<&mut Vec<Stmt>> {
    match initializer(stmt, "__tracing_instrument_future")? {
        Expr::Async(future) => Some(&mut future.block.stmts),
        _ => None,
    }
}

// Input, from `#[instrument(err)]` or `#[instrument(ret)]`:
//     match async move { BODY }.await { .. }
//     let x = async move { BODY }.await; ..
//
// Calls `f` with:
//     BODY
fn with_awaited_block<R>(stmts: &mut Vec<Stmt>, f: BodyFn<'_, R>) -> R {
    let awaited = match stmts.first_mut() {
        Some(Stmt::Expr(Expr::Match(scrutinee), None)) => Some(&mut scrutinee.expr),
        Some(Stmt::Local(local)) => local.init.as_mut().map(|init| &mut init.expr),
        _ => None,
    };
    if let Some(Expr::Await(awaited)) = awaited.map(|expr| &mut **expr) {
        if let Expr::Async(block) = &mut *awaited.base {
            return with_inferred_block(&mut block.block.stmts, f);
        }
    }
    with_inferred_block(stmts, f)
}

// Input, from `#[instrument]` on an `async fn`:
//     if false { let __tracing_attr_fake_return: R = loop {}; return __tracing_attr_fake_return; }
//     { BODY }
//
// Calls `f` with:
//     BODY
fn with_inferred_block<R>(stmts: &mut Vec<Stmt>, f: BodyFn<'_, R>) -> R {
    let is_hint = |stmt: &Stmt| match stmt {
        Stmt::Expr(Expr::If(hint), _) => hint
            .then_branch
            .stmts
            .first()
            .and_then(bound_name)
            .is_some_and(|name| name == "__tracing_attr_fake_return"),
        _ => false,
    };
    if let [hint, Stmt::Expr(Expr::Block(ExprBlock { block, .. }), None)] = stmts.as_mut_slice() {
        if is_hint(hint) {
            return with_returned_block(&mut block.stmts, f);
        }
    }
    with_returned_block(stmts, f)
}

// Input, from `#[async_trait]`:
//     if let Some(__ret) = None::<R> { return __ret; }
//     let __self = self;
//     let shutdown = shutdown;
//     let __ret: R = { BODY };
//     __ret
//
// or, where nothing is returned:
//     let __self = self;
//     let shutdown = shutdown;
//     let _: () = { BODY };
//
// Calls `f` with:
//     BODY
fn with_returned_block<R>(stmts: &mut Vec<Stmt>, f: BodyFn<'_, R>) -> R {
    if let Some(Expr::Block(body)) = stmts.iter_mut().find_map(|stmt| initializer(stmt, "__ret")) {
        return f(&mut body.block.stmts);
    }
    if stmts.iter().all(|stmt| matches!(stmt, Stmt::Local(_))) {
        let last = stmts.last_mut().and_then(|stmt| initializer(stmt, "_"));
        if let Some(Expr::Block(body)) = last {
            return f(&mut body.block.stmts);
        }
    }
    f(stmts)
}

fn initializer<'a>(stmt: &'a mut Stmt, name: &str) -> Option<&'a mut Expr> {
    if bound_name(stmt)? != name {
        return None;
    }
    match stmt {
        Stmt::Local(local) => local.init.as_mut().map(|init| &mut *init.expr),
        _ => None,
    }
}

/// The `x` of `let x = ..` and of `let x: T = ..`, which may also be `_`.
fn bound_name(stmt: &Stmt) -> Option<String> {
    let Stmt::Local(local) = stmt else {
        return None;
    };
    let pat = match &local.pat {
        Pat::Type(typed) => &*typed.pat,
        pat => pat,
    };
    match pat {
        Pat::Ident(pat) => Some(pat.ident.to_string()),
        Pat::Wild(_) => Some("_".to_owned()),
        _ => None,
    }
}
