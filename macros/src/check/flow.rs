//! What becomes of the token, of the cell and of spawned tasks in a body.
//!
//! One walk follows values through the body, each expression once and from the inside out: a
//! value is what is known about the token, the cell, a future or a task handle (`value`). The
//! checks read what the walk has found. It follows variables and fields by name, looks into macro
//! input as far as that is Rust syntax, and does not know types.

mod calls;
mod macros;
pub(crate) mod names;
mod place;
mod tail;
pub(crate) mod value;

use std::collections::HashMap;
use std::rc::Rc;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Block, Expr, ExprClosure, Lit, Pat, Stmt};

use self::place::{last_word, place};
use self::value::{AwaitedCall, Found, Origin, Value, keep_first};

/// What the walk follows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    /// The token that guards the function, as the body spells it.
    pub(crate) token: Option<&'a Expr>,
    /// The variable that `caller = NAME` binds.
    pub(crate) caller: Option<&'a Ident>,
    /// The cell of `state =`.
    pub(crate) state: Option<&'a Expr>,
}

/// What the walk has found.
pub(crate) struct Flow {
    /// What the body does in its own text.
    pub(crate) found: Found,
    /// The waits for the token in the body's own text.
    pub(crate) waits: Vec<OwnWait>,
    /// The calls that cancel the token, a clone of it or a borrow of it.
    pub(crate) cancels: Vec<TokenStream>,
    pub(crate) tasks: Vec<Task>,
}

/// A place where the body waits for its own cancellation.
#[derive(Clone, Debug)]
pub(crate) struct OwnWait {
    pub(crate) at: TokenStream,
    pub(crate) in_loop: bool,
}

/// A task that the body spawns.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) at: TokenStream,
    pub(crate) in_loop: bool,
    /// It is a closure on a thread of its own, not a future.
    pub(crate) is_blocking: bool,
    pub(crate) is_served: bool,
    /// All that it awaits is the cancellation of the token.
    pub(crate) only_waits: bool,
    /// Its handle is dropped unused.
    pub(crate) is_let_go: bool,
    /// It, or a statement around it, has `#[detached]`.
    pub(crate) is_detached: bool,
    /// The task whose text this one is part of.
    pub(crate) parent: Option<usize>,
}

impl Flow {
    /// Walks through a body.
    pub(crate) fn of(stmts: &[Stmt], subject: Subject<'_>) -> Self {
        let mut walker = Walker::default();
        let origins = [
            (subject.token.and_then(place), Origin::Own),
            (subject.caller.map(ToString::to_string), Origin::Child),
        ];
        for (place, origin) in origins {
            if let Some(place) = place {
                let token = Value {
                    token: Some(origin),
                    ..Value::default()
                };
                walker.places.insert(place, Entry::from(token));
            }
        }
        if let Some(place) = subject.state.and_then(place) {
            walker.state_name = Some(last_word(&place).to_owned());
            let cell = Value {
                is_cell: true,
                ..Value::default()
            };
            walker.places.insert(place, Entry::from(cell));
        }
        walker.block(stmts, true);
        for variable in std::mem::take(&mut walker.variables) {
            if !variable.is_used {
                walker.let_go(&variable.handles);
            }
        }
        Self {
            found: walker.frame.found,
            waits: walker.waits,
            cancels: walker.cancels,
            tasks: walker.tasks,
        }
    }
}

/// What is known about a variable or a field.
#[derive(Clone, Default)]
struct Entry {
    value: Value,
    /// The variable that holds the handle of a task, by index.
    variable: Option<usize>,
}

impl From<Value> for Entry {
    fn from(value: Value) -> Self {
        Self {
            value,
            variable: None,
        }
    }
}

/// A variable that holds the handles of tasks.
struct Variable {
    handles: Vec<usize>,
    is_used: bool,
}

/// A function, an async block or a closure.
#[derive(Default)]
struct Frame {
    found: Found,
    /// How many loops are around what is at hand.
    loops: usize,
    /// Whether what is at hand is under a `#[shielded]`.
    is_shielded: bool,
    awaits: usize,
    token_awaits: usize,
    uses_token: bool,
    uses_served: bool,
}

#[derive(Default)]
struct Walker {
    places: HashMap<String, Entry>,
    /// What the declarations of the open scopes have replaced, to be put back at their ends.
    replaced: Vec<(String, Option<Entry>)>,
    variables: Vec<Variable>,
    frame: Frame,
    /// How many frames are around this one.
    depth: usize,
    /// How many loops are around what is at hand, in all frames.
    loops: usize,
    task: Option<usize>,
    state_name: Option<String>,
    waits: Vec<OwnWait>,
    cancels: Vec<TokenStream>,
    tasks: Vec<Task>,
}

impl Walker {
    fn open_scope(&self) -> usize {
        self.replaced.len()
    }

    fn close_scope(&mut self, scope: usize) {
        while self.replaced.len() > scope {
            match self.replaced.pop() {
                Some((name, Some(entry))) => self.places.insert(name, entry),
                Some((name, None)) => self.places.remove(&name),
                None => return,
            };
        }
    }

    fn declare(&mut self, name: String, mut value: Value) {
        let handles = std::mem::take(&mut value.handles);
        if value.joins_tasks {
            // The call has returned: what is awaited later is the task.
            value.call = None;
        }
        let variable = (!handles.is_empty()).then(|| {
            self.variables.push(Variable {
                handles,
                is_used: false,
            });
            self.variables.len() - 1
        });
        let before = self.places.insert(name.clone(), Entry { value, variable });
        self.replaced.push((name, before));
    }

    fn lookup(&mut self, place: &str) -> Option<Value> {
        let entry = self.places.get(place)?;
        let index = entry.variable;
        let value = entry.value.clone();
        if let Some(variable) = index.and_then(|index| self.variables.get_mut(index)) {
            variable.is_used = true;
        }
        self.frame.uses_token |= value.carries_token();
        self.frame.uses_served |= value.is_served;
        Some(value)
    }

    /// Adds to what is known about a variable or a field.
    fn add_to_place(&mut self, place: String, value: Value) {
        let entry = self.places.entry(place).or_default();
        entry.value = std::mem::take(&mut entry.value).or(value);
    }

    fn let_go(&mut self, handles: &[usize]) {
        for handle in handles {
            if let Some(task) = self.tasks.get_mut(*handle) {
                task.is_let_go = true;
            }
        }
    }

    fn note_wait(&mut self, at: TokenStream) {
        let found = Found {
            wait: Some(at),
            ..Found::default()
        };
        self.add_awaited(&found, false);
    }

    fn note_ask(&mut self, at: &TokenStream) {
        let found = &mut self.frame.found;
        let slot = if self.frame.loops > 0 {
            &mut found.ask
        } else {
            &mut found.ask_once
        };
        keep_first(slot, Some(at));
    }

    fn note_unread_await(&mut self) {
        // More than one, since nothing is known about what is awaited.
        self.frame.awaits += 2;
    }

    fn add_awaited(&mut self, found: &Found, is_last: bool) {
        let in_loop = self.frame.loops > 0;
        if self.frame.is_shielded {
            let found = Found {
                wait: None,
                wait_in_loop: None,
                ..found.clone()
            };
            return self.frame.found.add_awaited(&found, in_loop, is_last);
        }
        if self.depth == 0 {
            let waits = [(&found.wait_in_loop, true), (&found.wait, in_loop)];
            for (wait, in_loop) in waits {
                self.waits
                    .extend(wait.clone().map(|at| OwnWait { at, in_loop }));
            }
        }
        self.frame.found.add_awaited(found, in_loop, is_last);
    }

    /// Awaits a value. Returns what is known about the result.
    fn awaited(&mut self, value: &Value, at: &dyn ToTokens, is_last: bool) -> Value {
        self.frame.awaits += 1;
        self.frame.token_awaits += usize::from(value.only_waits);
        if let Some(found) = &value.awaited {
            self.add_awaited(found, is_last);
        }
        let in_loop = self.frame.loops > 0;
        let Some(call) = &value.call else {
            if value.joins_tasks && (in_loop || is_last) {
                keep_first(&mut self.frame.found.join, Some(&at.to_token_stream()));
            }
            return Value::default();
        };
        let is_setup = names::is_setup(&call.name);
        let is_run = names::is_run(&call.name);
        let is_evidence = call.takes_token && (in_loop || is_last);
        let awaited = (is_evidence || is_run).then(|| AwaitedCall {
            in_loop: in_loop && !is_last,
            at: at.to_token_stream(),
        });
        let found = &mut self.frame.found;
        if is_evidence {
            let slot = if is_setup {
                &mut found.setup_call
            } else {
                &mut found.call
            };
            keep_first(slot, awaited.as_ref());
        }
        found.run_call = awaited.filter(|_| is_run);
        Value {
            holds_token: value.holds_token && is_setup,
            joins_tasks: value.joins_tasks && names::is_spawn(&call.name),
            ..Value::default()
        }
    }

    fn in_frame(&mut self, walk: impl FnOnce(&mut Self)) -> Frame {
        let outside = std::mem::take(&mut self.frame);
        let outer_loops = self.loops;
        self.depth += 1;
        walk(self);
        self.depth -= 1;
        self.loops = outer_loops;
        let frame = std::mem::replace(&mut self.frame, outside);
        self.frame.uses_token |= frame.uses_token;
        self.frame.uses_served |= frame.uses_served;
        frame
    }

    fn async_block(&mut self, stmts: &[Stmt]) -> Value {
        let frame = self.in_frame(|walker| {
            walker.block(stmts, true);
        });
        Value {
            holds_token: frame.uses_token,
            is_served: frame.uses_served,
            only_waits: frame.awaits == 1 && frame.token_awaits == 1,
            awaited: Some(Rc::new(frame.found)),
            ..Value::default()
        }
    }

    /// A closure whose parameters are this value.
    fn closure(&mut self, closure: &ExprClosure, parameter: &Value) -> Value {
        let mut body = Value::default();
        let frame = self.in_frame(|walker| {
            let scope = walker.open_scope();
            for input in &closure.inputs {
                walker.bind(input, parameter.clone());
            }
            body = walker.expr(&closure.body, true);
            walker.close_scope(scope);
        });
        let found = Rc::new(frame.found);
        let mut value = Value {
            holds_token: frame.uses_token,
            is_served: frame.uses_served,
            ..Value::default()
        };
        if closure.asyncness.is_some() {
            value.awaited = Some(found);
        } else {
            value.called = Some(found);
            value.awaited = body.awaited;
            value.token = body.token;
            value.joins_tasks = body.joins_tasks;
        }
        value
    }

    fn block(&mut self, stmts: &[Stmt], is_last: bool) -> Value {
        let scope = self.open_scope();
        let value = self.stmts(stmts, is_last);
        self.close_scope(scope);
        value
    }

    fn stmts(&mut self, stmts: &[Stmt], is_last: bool) -> Value {
        let is_last = is_last || tail::ends_in_return(stmts);
        let last_effect = tail::last_effect(stmts).filter(|_| is_last);
        let mut value = Value::default();
        for (index, stmt) in stmts.iter().enumerate() {
            self.let_go(&value.handles);
            value = self.stmt(stmt, last_effect == Some(index));
        }
        value
    }

    /// Walks through a statement. Its value is that of the block, if it is the last one.
    fn stmt(&mut self, stmt: &Stmt, is_last: bool) -> Value {
        let is_shielded = self.frame.is_shielded || tail::has_attr(stmt, "shielded");
        let outside = std::mem::replace(&mut self.frame.is_shielded, is_shielded);
        let first_task = self.tasks.len();
        let value = self.stmt_inside(stmt, is_last);
        if tail::has_attr(stmt, "detached") {
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
            // A handle that is only renamed to nothing is not used by that.
            (Pat::Wild(_), Expr::Path(_)) => {}
            (pat, init) => {
                let value = self.expr(init, is_last);
                self.bind(pat, value);
            }
        }
    }

    /// Gives the variables of a pattern what is known about the value that it takes apart.
    fn bind(&mut self, pat: &Pat, mut value: Value) {
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

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, is_last: bool) -> Value {
        exprs.into_iter().fold(Value::default(), |merged, expr| {
            merged.or(self.expr(expr, is_last))
        })
    }

    fn in_loop(&mut self, walk: impl FnOnce(&mut Self)) {
        self.frame.loops += 1;
        self.loops += 1;
        walk(self);
        self.frame.loops -= 1;
        self.loops -= 1;
    }

    /// Walks through an expression. `is_last` says that nothing happens after it in this frame.
    fn expr(&mut self, expr: &Expr, is_last: bool) -> Value {
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
                self.in_loop(|walker| walker.loop_body(&expr.body));
                Value::default()
            }
            Expr::While(expr) => {
                self.in_loop(|walker| {
                    let scope = walker.open_scope();
                    walker.expr(&expr.cond, false);
                    walker.loop_body(&expr.body);
                    walker.close_scope(scope);
                });
                Value::default()
            }
            Expr::ForLoop(expr) => {
                let items = self.expr(&expr.expr, false);
                self.in_loop(|walker| {
                    let scope = walker.open_scope();
                    walker.bind(&expr.pat, items);
                    walker.loop_body(&expr.body);
                    walker.close_scope(scope);
                });
                Value::default()
            }
            Expr::Return(expr) => {
                self.exprs(expr.expr.as_deref(), true);
                Value::default()
            }
            Expr::Break(expr) => {
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
