//! Statements and expressions.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Block, Expr, Label, Lit, Pat, Stmt};

use super::place::{self, place};
use super::value::{CancelKind, Origin, Value, keep_first};
use super::walker::{Loop, Walker};
use super::{names, tail};
use crate::syntax::{mentions, pat_variable};

impl Walker {
    pub(super) fn block(&mut self, stmts: &[Stmt], is_last: bool) -> Value {
        let scope = self.open_scope();
        let value = self.stmts(stmts, is_last);
        self.close_scope(scope);
        value
    }

    pub(super) fn stmts(&mut self, stmts: &[Stmt], is_last: bool) -> Value {
        let is_last = is_last && !tail::ends_in_error(stmts) || tail::ends_in_return(stmts);
        let last_effect = tail::last_effect(stmts).filter(|_| is_last);
        let mut value = Value::default();
        for (index, stmt) in stmts.iter().enumerate() {
            self.let_go(&value.handles);
            let rest = stmts.get(index + 1..).unwrap_or_default();
            let guarded = self.guarded_to_the_end(stmt, rest);
            value = self.stmt(stmt, last_effect == Some(index));
            match (guarded, self.cancels.last_mut()) {
                (Some((Origin::Own, _)), Some(cancel)) => cancel.kind = CancelKind::Guard,
                (Some((Origin::Caller, at)), _) => self.note_cancel(at, CancelKind::CallerGuard),
                _ => {}
            }
        }
        value
    }

    /// The token of `let _guard = token.clone().drop_guard();`, and the call, if nothing after it in
    /// the body mentions the variable.
    fn guarded_to_the_end(&self, stmt: &Stmt, rest: &[Stmt]) -> Option<(Origin, TokenStream)> {
        let Stmt::Local(local) = stmt else {
            return None;
        };
        let name = pat_variable(&local.pat)?;
        let Expr::MethodCall(call) = &*local.init.as_ref()?.expr else {
            return None;
        };
        let method = call.method.to_string();
        let is_guard = names::is_cancel(&method) && method != "cancel" && self.depth == 0;
        let is_used = rest
            .iter()
            .any(|stmt| mentions(stmt.to_token_stream(), name));
        let token = self.places.get(&place(&call.receiver)?)?.value.token?;
        (is_guard && !is_used).then(|| (token, call.to_token_stream()))
    }

    /// Walks through a statement. Its value is that of the block, if it is the last one.
    fn stmt(&mut self, stmt: &Stmt, is_last: bool) -> Value {
        let is_shielded = self.frame.is_shielded || tail::has_attr(stmt, "shielded");
        let outside = std::mem::replace(&mut self.frame.is_shielded, is_shielded);
        let first_task = self.tasks.len();
        let is_detached = tail::has_attr(stmt, "detached");
        let was_detached = self.is_detached;
        self.is_detached |= is_detached;
        let value = self.stmt_inside(stmt, is_last);
        self.is_detached = was_detached;
        if is_detached {
            for task in self.tasks.iter_mut().skip(first_task) {
                task.is_detached = true;
            }
        }
        self.frame.is_shielded = outside;
        value
    }

    fn stmt_inside(&mut self, stmt: &Stmt, is_last: bool) -> Value {
        match stmt {
            Stmt::Local(local) => {
                let Some(init) = &local.init else {
                    self.bind(&local.pat, Value::default());
                    return Value::default();
                };
                self.local(&local.pat, &init.expr, is_last);
                if let Some((_, diverge)) = &init.diverge {
                    self.expr(diverge, false);
                }
                Value::default()
            }
            Stmt::Expr(expr, semi) => {
                let value = self.expr(expr, is_last);
                if semi.is_some() {
                    self.let_go(&value.handles);
                    return Value::default();
                }
                value
            }
            Stmt::Macro(stmt) => {
                let value = self.macro_call(&stmt.mac, is_last);
                if stmt.semi_token.is_some() {
                    self.let_go(&value.handles);
                    return Value::default();
                }
                value
            }
            Stmt::Item(_) => Value::default(),
        }
    }

    fn local(&mut self, pat: &Pat, init: &Expr, is_last: bool) {
        match (pat, init) {
            (Pat::Tuple(pats), Expr::Tuple(inits)) if pats.elems.len() == inits.elems.len() => {
                let values: Vec<Value> = inits
                    .elems
                    .iter()
                    .map(|init| self.expr(init, is_last))
                    .collect();
                for (pat, value) in pats.elems.iter().zip(values) {
                    self.bind(pat, value);
                }
            }
            (Pat::Wild(wild), Expr::Path(_)) => self.unmoved(wild, init),
            (pat, init) => {
                let value = self.expr(init, is_last);
                self.bind(pat, value);
            }
        }
    }

    /// `let _ = guard;` and `_ = guard;` neither use nor move the variable.
    fn unmoved(&mut self, wild: &dyn ToTokens, variable: &Expr) {
        let place = place(variable).filter(|place| {
            let known = self.places.get(place);
            known.is_some_and(|entry| entry.value.is_served)
        });
        let task = self.task.and_then(|task| self.tasks.get_mut(task));
        if let (Some(task), Some(name)) = (task, place) {
            let at = [wild.to_token_stream(), variable.to_token_stream()];
            let at = at.into_iter().collect();
            task.unmoved.get_or_insert((at, name));
        }
    }

    /// Gives the variables of a pattern what is known about the value that it takes apart.
    pub(super) fn bind(&mut self, pat: &Pat, mut value: Value) {
        let inner: Vec<&Pat> = match pat {
            Pat::Ident(pat) => {
                let name = pat.ident.to_string();
                if let Some((_, pat)) = &pat.subpat {
                    self.bind(pat, value.clone());
                }
                // `None` and constants are no variables.
                if !name.starts_with(char::is_uppercase) {
                    self.declare(name, value);
                }
                return;
            }
            Pat::Wild(_) => return self.let_go(&value.handles),
            Pat::Type(pat) => return self.bind(&pat.pat, value),
            Pat::Paren(pat) => return self.bind(&pat.pat, value),
            Pat::Reference(pat) => return self.bind(&pat.pat, value),
            Pat::Guard(pat) => {
                self.bind(&pat.pat, value);
                self.expr(&pat.guard, false);
                return;
            }
            Pat::Or(pat) => pat.cases.iter().collect(),
            Pat::Tuple(pat) => pat.elems.iter().collect(),
            Pat::TupleStruct(pat) => pat.elems.iter().collect(),
            Pat::Slice(pat) => pat.elems.iter().collect(),
            Pat::Struct(pat) => pat.fields.iter().map(|field| &*field.pat).collect(),
            _ => return,
        };
        value.handles.clear();
        for pat in inner {
            self.bind(pat, value.clone());
        }
    }

    pub(super) fn exprs<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        is_last: bool,
    ) -> Value {
        exprs.into_iter().fold(Value::default(), |merged, expr| {
            merged.or(self.expr(expr, is_last))
        })
    }

    /// Walks through a loop. Returns whether its text leaves it.
    fn in_loop(&mut self, label: Option<&Label>, walk: impl FnOnce(&mut Self)) -> bool {
        let label = label.map(|label| label.name.ident.to_string());
        self.frame.loops.push(Loop {
            label,
            is_left: false,
        });
        self.loops += 1;
        walk(self);
        self.loops -= 1;
        self.frame.loops.pop().is_some_and(|left| left.is_left)
    }

    /// Walks through an expression. `is_last` says that nothing happens after it in this frame.
    pub(super) fn expr(&mut self, expr: &Expr, is_last: bool) -> Value {
        match expr {
            Expr::Group(expr) => self.expr(&expr.expr, is_last),
            Expr::Paren(expr) => self.expr(&expr.expr, is_last),
            Expr::Reference(expr) => self.expr(&expr.expr, is_last),
            Expr::RawAddr(expr) => self.expr(&expr.expr, false),
            Expr::Cast(expr) => self.expr(&expr.expr, false),
            Expr::Unary(unary) => {
                let value = self.expr(&unary.expr, false);
                match unary.op {
                    syn::UnOp::Deref(_) => value,
                    _ => Value::default(),
                }
            }
            Expr::Try(expr) => self.expr(&expr.expr, is_last),
            Expr::Path(_) | Expr::Field(_) | Expr::Index(_) => self.place_expr(expr),
            Expr::Lit(lit) => {
                if let Lit::Str(text) = &lit.lit {
                    self.captures(&text.value());
                }
                Value::default()
            }
            Expr::Await(await_) => {
                let value = self.expr(&await_.base, false);
                self.awaited(&value, await_, is_last)
            }
            Expr::Call(call) => self.call(call, is_last),
            Expr::MethodCall(call) => self.method_call(call, is_last),
            Expr::Macro(expr) => self.macro_call(&expr.mac, is_last),
            Expr::Async(expr) => self.async_block(&expr.block.stmts),
            Expr::Closure(closure) => self.closure(closure, &Value::default()),
            Expr::Array(expr) => self.exprs(&expr.elems, is_last),
            Expr::Tuple(expr) => self.exprs(&expr.elems, is_last),
            Expr::Repeat(expr) => self.exprs([&*expr.expr, &*expr.len], false),
            Expr::Struct(expr) => {
                let fields = expr.fields.iter().map(|field| &field.expr);
                let value = self.exprs(fields.chain(expr.rest.as_deref()), false);
                value.made_from()
            }
            Expr::Binary(expr) => {
                self.exprs([&*expr.left, &*expr.right], false);
                Value::default()
            }
            Expr::Range(expr) => {
                let ends = [expr.start.as_deref(), expr.end.as_deref()];
                self.exprs(ends.into_iter().flatten(), false);
                Value::default()
            }
            Expr::Yield(expr) => {
                self.exprs(expr.expr.as_deref(), false);
                Value::default()
            }
            Expr::Assign(expr) => self.assign(&expr.left, &expr.right, is_last),
            Expr::Verbatim(tokens) => {
                self.tokens(tokens.clone(), false);
                Value::default()
            }
            expr => self.control_flow(expr, is_last),
        }
    }

    fn assign(&mut self, left: &Expr, right: &Expr, is_last: bool) -> Value {
        if let (Expr::Infer(wild), Expr::Path(_)) = (left, right) {
            self.unmoved(wild, right);
            return Value::default();
        }
        let mut value = self.expr(right, is_last);
        match left {
            Expr::Infer(_) => self.let_go(&value.handles),
            left => {
                self.expr(left, false);
                value.handles.clear();
                if let Some(place) = place(left) {
                    self.add_to_place(place, value);
                }
            }
        }
        Value::default()
    }

    /// A variable, a field or an element.
    fn place_expr(&mut self, expr: &Expr) -> Value {
        match expr {
            Expr::Field(field) => {
                let base = self.expr(&field.base, false);
                let own = base
                    .self_place
                    .as_ref()
                    .map(|base| place::member(base, &field.member));
                let spelled = place(expr).filter(|place| Some(place) != own.as_ref());
                let places = spelled.iter().chain(&own);
                if let Some(value) = places
                    .map(|place| self.lookup(place))
                    .find_map(|value| value)
                {
                    return value;
                }
                if let Some(place) = own {
                    return Value {
                        self_place: Some(place.into()),
                        ..Value::default()
                    };
                }
                let is_token = matches!(&field.member, syn::Member::Named(name)
                    if names::is_token(&name.to_string()));
                if base.carries_token() && !is_token {
                    return Value {
                        joins_tasks: base.joins_tasks,
                        ..Value::default()
                    };
                }
                base.made_from()
            }
            Expr::Index(index) => {
                self.expr(&index.index, false);
                self.expr(&index.expr, false)
            }
            expr => {
                let Some(place) = place(expr) else {
                    return Value::default();
                };
                let mut value = self.lookup(&place).unwrap_or_default();
                if place == "self" {
                    value.self_place = Some(place.into());
                }
                value
            }
        }
    }

    fn control_flow(&mut self, expr: &Expr, is_last: bool) -> Value {
        match expr {
            Expr::Block(expr) => self.block(&expr.block.stmts, is_last),
            Expr::Unsafe(expr) => self.block(&expr.block.stmts, is_last),
            Expr::Const(expr) => self.block(&expr.block.stmts, false),
            Expr::TryBlock(expr) => self.block(&expr.block.stmts, is_last),
            Expr::If(expr) => {
                let scope = self.open_scope();
                let has_trivial_branches = tail::is_trivial_block(&expr.then_branch)
                    && expr
                        .else_branch
                        .as_ref()
                        .is_none_or(|(_, branch)| tail::is_trivial_expr(branch));
                self.expr(&expr.cond, is_last && has_trivial_branches);
                let value = self.block(&expr.then_branch.stmts, is_last);
                self.close_scope(scope);
                match &expr.else_branch {
                    Some((_, branch)) => value.or(self.expr(branch, is_last)),
                    None => value,
                }
            }
            Expr::Match(expr) => {
                let has_trivial_arms = expr.arms.iter().all(|arm| tail::is_trivial_expr(&arm.body));
                let matched = self.expr(&expr.expr, is_last && has_trivial_arms);
                let mut merged = Value::default();
                for arm in &expr.arms {
                    let scope = self.open_scope();
                    self.bind(&arm.pat, matched.clone());
                    merged = merged.or(self.expr(&arm.body, is_last));
                    self.close_scope(scope);
                }
                merged
            }
            Expr::Let(expr) => {
                let value = self.expr(&expr.expr, is_last);
                self.bind(&expr.pat, value);
                Value::default()
            }
            Expr::Loop(expr) => {
                let label = expr.label.as_ref();
                let is_left = self.in_loop(label, |walker| walker.loop_body(&expr.body));
                if !is_left {
                    let at = expr.loop_token.to_token_stream();
                    keep_first(&mut self.frame.found.endless_loop, Some(&at));
                }
                Value::default()
            }
            Expr::While(expr) => {
                self.in_loop(expr.label.as_ref(), |walker| {
                    let scope = walker.open_scope();
                    walker.expr(&expr.cond, false);
                    walker.loop_body(&expr.body);
                    walker.close_scope(scope);
                });
                Value::default()
            }
            Expr::ForLoop(expr) => {
                let items = self.expr(&expr.expr, false);
                self.in_loop(expr.label.as_ref(), |walker| {
                    let scope = walker.open_scope();
                    walker.bind(&expr.pat, items);
                    walker.loop_body(&expr.body);
                    walker.close_scope(scope);
                });
                Value::default()
            }
            Expr::Return(expr) => {
                let is_error = expr.expr.as_deref().is_some_and(tail::is_error);
                if !is_error {
                    self.note_return();
                }
                self.exprs(expr.expr.as_deref(), true);
                Value::default()
            }
            Expr::Continue(expr) => {
                let label = expr.label.as_ref().map(|label| label.ident.to_string());
                self.note_exit(label.as_deref(), false);
                Value::default()
            }
            Expr::Break(expr) => {
                let label = expr.label.as_ref().map(|label| label.ident.to_string());
                self.note_exit(label.as_deref(), true);
                self.exprs(expr.expr.as_deref(), is_last);
                Value::default()
            }
            _ => Value::default(),
        }
    }

    fn loop_body(&mut self, body: &Block) {
        let value = self.block(&body.stmts, false);
        self.let_go(&value.handles);
    }
}
