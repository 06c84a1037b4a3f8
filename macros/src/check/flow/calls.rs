//! Calls of functions and methods.

use std::rc::Rc;

use quote::ToTokens;
use syn::{Expr, ExprCall, ExprMethodCall, Ident, Path};

use super::findings::{LatePart, Task};
use super::names;
use super::parts::served_on;
use super::place::{last_word, place};
use super::value::{Call, CancelKind, Found, Origin, Value};
use super::walker::Walker;

impl Walker {
    pub(super) fn call(&mut self, call: &ExprCall, is_last: bool) -> Value {
        let Expr::Path(func) = &*call.func else {
            let callee = self.expr(&call.func, false);
            let args = self.merged(&call.args, &Value::default());
            return args.or(callee).made_from();
        };
        let Some(last) = func.path.segments.last() else {
            return Value::default();
        };
        let name = last.ident.to_string();
        if let Some(value) = self.known_function(&last.ident, call, &func.path, is_last) {
            return value;
        }
        let callee = self.expr(&call.func, false);
        if let Some(called) = &callee.called {
            self.add_awaited(called, is_last);
        }
        let is_forwarding = names::forwards_future(&name);
        let args = self.merged(&call.args, &Value::default());
        let makes_parts = is_forwarding.then(|| args.makes_parts.clone());
        let waits_for_all = names::waits_for_all(&name);
        Value {
            makes_parts: makes_parts.unwrap_or_default(),
            is_part: waits_for_all && args.is_part,
            joins_part: waits_for_all && args.joins_part,
            ..result_of(&name, args.or(callee.made_from()), is_forwarding)
        }
    }

    /// The value of a call of a function that the analysis knows by name.
    fn known_function(
        &mut self,
        ident: &Ident,
        call: &ExprCall,
        path: &Path,
        is_last: bool,
    ) -> Option<Value> {
        let name = &*ident.to_string();
        let first = call.args.first();
        if name == "drop" || name == "forget" {
            if let Some(dropped @ Expr::Path(_)) = first {
                // A handle that is dropped is not used by that. A part of the service is held until
                // it is dropped.
                let dropped = place(dropped).and_then(|place| self.places.get(&place));
                self.frame.uses_served |= dropped.is_some_and(|entry| entry.value.is_served);
            } else {
                let value = self.exprs(&call.args, false);
                self.let_go(&value.handles);
            }
            return Some(Value::default());
        }
        if names::is_wrapper(path) {
            return Some(self.exprs(&call.args, is_last));
        }
        if names::is_spawn(name) {
            let gives_cell = call.args.iter().any(|arg| self.is_cell_or_self(arg));
            let is_counted = names::is_plain_spawn(name) || !gives_cell;
            let is_thread = path.segments.iter().any(|word| word.ident == "thread");
            let is_blocking = is_thread || call.args.iter().any(is_blocking);
            let counted = is_counted.then_some(is_blocking || name == "spawn_blocking");
            let late = LatePart {
                spawn: path.to_token_stream(),
                is_blocking: is_blocking || name == "spawn_blocking",
            };
            let mut value = self.spawn(&call, late, counted, |walker| {
                walker.merged(&call.args, &Value::default())
            });
            value.call = spawn_call(name, &value);
            return Some(value);
        }
        if names::runs_argument(name) || name == "scope" {
            let outside = self.in_scope;
            self.in_scope |= name == "scope";
            let value = self.run_argument(call.args.iter(), call, is_last);
            self.in_scope = outside;
            return Some(value);
        }
        let is_known = names::is_wait(name)
            || names::is_cancel(name)
            || names::is_serve(name)
            || name == "is_cancelled"
            || name == "child_token"
            || names::returns_same(name);
        // `CancellationToken::cancelled(&token)`, `StateCell::serve(&cell, future)`
        let first = first.filter(|_| is_known && path.segments.len() > 1)?;
        let receiver = self.expr(first, false);
        let rest = call.args.iter().skip(1);
        let known = self.known_method(ident, &receiver, &call, false, rest.clone());
        Some(known.unwrap_or_else(|| {
            let args = self.merged(rest, &receiver).or(receiver.made_from());
            result_of(name, args, false)
        }))
    }

    pub(super) fn method_call(&mut self, call: &ExprMethodCall, is_last: bool) -> Value {
        let name = call.method.to_string();
        let expr_place = call.args.is_empty().then(|| place_of_call(call)).flatten();
        if let Some(value) = expr_place.and_then(|place| self.lookup(&place)) {
            return value;
        }
        let mut receiver = self.expr(&call.receiver, is_last);
        receiver.is_cell |= names::is_serve(&name) && self.is_named_as_cell(&call.receiver);
        if !receiver.is_cell {
            receiver.served_on = receiver.served_on.or_else(|| served_on(call));
        }
        let on_runtime = names::is_runtime(&call.receiver);
        let args = call.args.iter();
        if let Some(value) = self.known_method(&call.method, &receiver, &call, on_runtime, args) {
            if names::is_spawn(&name) {
                self.store_in(&call.receiver, value.clone());
            }
            return value;
        }
        if names::runs_argument(&name) {
            return self.run_argument(call.args.iter(), call, is_last);
        }
        let in_loop = self.frame.is_in_loop();
        if name == "join" && call.args.is_empty() && receiver.joins_tasks && (in_loop || is_last) {
            self.note_join(call);
        }
        if names::forwards_future(&name) {
            let args = self.merged(&call.args, &receiver);
            let waits_for_all = names::waits_for_all(&name);
            receiver.is_part &= waits_for_all;
            receiver.joins_part &= waits_for_all;
            return receiver.or(args.made_from());
        }
        if name == "abort" {
            self.forget_part(&call.receiver);
        }
        let args = self.merged(&call.args, &receiver);
        if names::stores_argument(&name) {
            self.store_in(&call.receiver, args.clone());
        }
        let joins_part = match &*name {
            "map" => args.joins_part,
            "collect" => receiver.joins_part,
            name => receiver.joins_part && names::joins_set(name, in_loop),
        };
        let mut receiver = receiver.made_from();
        if names::is_guard_getter(&name) {
            receiver.is_served = false;
        }
        receiver.call = None;
        Value {
            joins_part,
            ..result_of(&name, receiver.or(args), false)
        }
    }

    /// The value of a call of a method that the analysis knows by name.
    fn known_method<'e>(
        &mut self,
        ident: &Ident,
        receiver: &Value,
        at: &dyn ToTokens,
        on_runtime: bool,
        args: impl Iterator<Item = &'e Expr> + Clone,
    ) -> Option<Value> {
        let name = &*ident.to_string();
        if receiver.carries_token() {
            if let Some(value) = self.token_method(name, receiver, at, args.clone()) {
                return Some(value);
            }
        }
        if names::is_wait_on_argument(name) {
            let token = self.merged(args, &Value::default());
            if !token.carries_token() {
                return Some(receiver.clone());
            }
            return Some(receiver.clone().or(self.wait_value(at, false)));
        }
        if names::is_serve(name) && receiver.is_cell {
            let args = self.merged(args, &Value::default());
            self.frame.uses_served = true;
            self.allow_parts(&args.makes_parts);
            if name != "track" {
                self.note_part(ident);
            }
            return Some(Value {
                holds_token: args.carries_token(),
                is_served: true,
                is_part: name != "serve_guard",
                ..Value::default()
            });
        }
        if names::is_spawn(name) {
            let is_blocking = name == "spawn_blocking";
            let counted = on_runtime.then_some(is_blocking);
            let late = LatePart {
                spawn: ident.to_token_stream(),
                is_blocking: is_blocking || args.clone().any(self::is_blocking),
            };
            let mut value = self.spawn(at, late, counted, |walker| walker.merged(args, receiver));
            value.call = spawn_call(name, &value);
            return Some(value);
        }
        let is_interesting = receiver.is_cell
            || receiver.self_place.is_some()
            || receiver.is_served
            || receiver.carries_token()
            || receiver.joins_tasks
            || receiver.joins_part
            || receiver.awaited.is_some();
        if names::returns_same(name) && is_interesting {
            let args = self.merged(args, receiver);
            let mut value = receiver.clone();
            value.handles.clear();
            return Some(value.or(args.made_from()));
        }
        None
    }

    fn token_method<'e>(
        &mut self,
        name: &str,
        token: &Value,
        at: &dyn ToTokens,
        args: impl Iterator<Item = &'e Expr>,
    ) -> Option<Value> {
        if names::is_wait(name) {
            let args = self.merged(args, &Value::default());
            let only_waits = name == "cancelled" || name == "cancelled_owned";
            return Some(self.wait_value(at, only_waits).or(args.made_from()));
        }
        match name {
            "is_cancelled" => {
                self.note_ask(&at.to_token_stream());
                Some(Value::default())
            }
            "child_token" => Some(Value {
                token: Some(Origin::Child),
                ..Value::default()
            }),
            name if names::is_cancel(name) && token.token.is_some() => {
                if token.token == Some(Origin::Own) {
                    self.note_cancel(at.to_token_stream(), CancelKind::Call);
                }
                Some(Value::default())
            }
            _ => None,
        }
    }

    /// The union of arguments. The parameters of a closure among them are this value.
    pub(super) fn merged<'e>(
        &mut self,
        args: impl IntoIterator<Item = &'e Expr>,
        parameter: &Value,
    ) -> Value {
        let mut merged = Value::default();
        for arg in args {
            let mut value = match arg {
                Expr::Closure(closure) => self.closure(closure, parameter),
                arg => self.expr(arg, false),
            };
            if let Some(called) = value.called.take() {
                value = value.or(Value {
                    awaited: Some(called),
                    ..Value::default()
                });
            }
            value.handles.clear();
            merged = merged.or(value);
        }
        merged
    }

    /// A call that runs the future or the closure that it is given to its end.
    fn run_argument<'e>(
        &mut self,
        args: impl Iterator<Item = &'e Expr> + Clone,
        at: &dyn ToTokens,
        is_last: bool,
    ) -> Value {
        let calls = args.clone().any(|arg| matches!(arg, Expr::Closure(_)));
        let mut value = self.merged(args, &Value::default());
        // The call does not await the result of a closure.
        value.joins_part &= !calls;
        self.awaited(&value, at, is_last)
    }

    /// Spawns what `args` evaluates. A part that this makes is `late`. If `counted`, the task is one to
    /// be served; the value says whether it is a closure on a thread of its own.
    pub(super) fn spawn(
        &mut self,
        at: &dyn ToTokens,
        late: LatePart,
        counted: Option<bool>,
        args: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let outer = self.task;
        let index = self.tasks.len();
        if let Some(is_blocking) = counted {
            self.tasks.push(Task {
                at: at.to_token_stream(),
                in_loop: self.loops > 0,
                is_blocking,
                is_served: false,
                served_on: None,
                unmoved: None,
                only_waits: false,
                is_let_go: false,
                is_detached: false,
                parent: outer,
            });
            self.task = Some(index);
        }
        let served_outside = std::mem::replace(&mut self.frame.uses_served, false);
        let args = args(self);
        let is_served = args.is_served || self.frame.uses_served;
        let joins_tasks = args.carries_token();
        if counted.is_some() || !self.in_scope {
            self.note_late_parts(&args.makes_parts, late);
        }
        self.frame.uses_served = served_outside;
        self.task = outer;
        if counted.is_some() {
            if let Some(task) = self.tasks.get_mut(index) {
                task.is_served = is_served;
                task.served_on = args.served_on;
                task.only_waits = args.only_waits;
            }
        }
        Value {
            joins_tasks,
            joins_part: args.is_part,
            handles: counted.map(|_| index).into_iter().collect(),
            ..Value::default()
        }
    }

    /// `handles.push(handle)`: the variable or field holds what is put into it.
    fn store_in(&mut self, receiver: &Expr, mut value: Value) {
        value.handles.clear();
        let Some(place) = place(receiver) else { return };
        // What is put into `self` is not told apart from the rest of it.
        if place != "self" && !place.contains("::") {
            value.call = None;
            let joins_part = value.joins_part;
            let value = Value {
                joins_part,
                ..value.made_from()
            };
            self.add_to_place(place, value);
        }
    }

    /// `handle.abort()`: the task ends, though nothing publishes the service.
    fn forget_part(&mut self, receiver: &Expr) {
        let entry = place(receiver).and_then(|place| self.places.get_mut(&place));
        if let Some(entry) = entry {
            entry.value.joins_part = false;
        }
    }

    fn is_cell_or_self(&self, arg: &Expr) -> bool {
        let arg = match arg {
            Expr::MethodCall(call) if names::returns_same(&call.method.to_string()) => {
                &*call.receiver
            }
            Expr::Call(call) => match call.args.first() {
                Some(arg) if matches!(&*call.func, Expr::Path(_)) => arg,
                _ => return false,
            },
            arg => arg,
        };
        let Some(place) = place(arg) else {
            return false;
        };
        let known = self.places.get(&place);
        place == "self"
            || known.is_some_and(|entry| entry.value.is_cell || entry.value.self_place.is_some())
    }

    /// Whether an expression has the last name of the cell: `this.state` where the cell is
    /// `self.state`.
    fn is_named_as_cell(&self, expr: &Expr) -> bool {
        let expr = match expr {
            Expr::MethodCall(call) if call.method == "clone" => &*call.receiver,
            expr => expr,
        };
        match (place(expr), &self.state_name) {
            (Some(place), Some(name)) => last_word(&place) == name,
            _ => false,
        }
    }

    fn wait_value(&mut self, at: &dyn ToTokens, only_waits: bool) -> Value {
        let found = self.wait(at.to_token_stream());
        Value {
            awaited: Some(Rc::new(found)),
            only_waits,
            ..Value::default()
        }
    }

    fn note_join(&mut self, at: &dyn ToTokens) {
        let found = Found {
            join: Some(at.to_token_stream()),
            ..Found::default()
        };
        self.add_awaited(&found, true);
    }
}

/// Whether what is spawned is a closure that blocks a thread, and no future.
fn is_blocking(arg: &Expr) -> bool {
    match arg {
        Expr::Closure(closure) => {
            closure.asyncness.is_none() && !matches!(&*closure.body, Expr::Async(_))
        }
        _ => false,
    }
}

/// The call of a helper that is named as a spawn: awaited at once, as `spawn_worker(token).await`,
/// it sets up the task and does not join it.
fn spawn_call(name: &str, spawned: &Value) -> Option<Rc<Call>> {
    let call = Call {
        name: name.to_owned(),
        takes_token: spawned.joins_tasks,
    };
    (!names::is_plain_spawn(name)).then(|| Rc::new(call))
}

/// The result of a call that these values go into.
fn result_of(name: &str, values: Value, is_forwarding: bool) -> Value {
    let call = values.call.clone();
    let takes_token = values.carries_token();
    let mut value = values.made_from();
    // `Message::Stop(token)` is a value and no call.
    let is_constructor = name.starts_with(char::is_uppercase);
    value.call = if value.joins_tasks {
        // `join_all(handles)`, `tasks.join_next()`: what counts is that tasks are joined.
        None
    } else if is_forwarding && call.is_some() || is_constructor {
        call
    } else {
        Some(Rc::new(Call {
            name: name.to_owned(),
            takes_token,
        }))
    };
    value
}

/// `self.token()`, as `token = self.token()` spells it.
fn place_of_call(call: &ExprMethodCall) -> Option<String> {
    Some(format!("{}.{}()", place(&call.receiver)?, call.method))
}
