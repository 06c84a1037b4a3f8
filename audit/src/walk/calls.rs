//! Calls, awaits and macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::Visit as _;
use syn::{Block, Expr, ExprAwait, ExprCall, ExprMethodCall, Macro, Token};

use super::Walk;
use super::flow::without_conversions;
use crate::check::flow::names;
use crate::model::{Callee, Kind, Wait};
use crate::select::Branches;
use crate::{looks, words};

impl Walk {
    pub(super) fn await_(&mut self, expr: &ExprAwait) {
        let is_awaited = std::mem::replace(&mut self.is_awaited, true);
        let looks_before = self.looks();
        self.visit_expr(&expr.base);
        self.is_awaited = is_awaited;
        self.join(&expr.base);
        // `token.cancelled().await` has been noted as a look.
        if self.looks() == looks_before || !looks::has_look(expr.base.to_token_stream()) {
            self.awaited(&expr.base);
        }
    }

    fn looks(&self) -> usize {
        let is_look = |event: &&crate::model::Event| {
            event.task == self.task && matches!(event.kind, Kind::Look)
        };
        self.events.iter().filter(is_look).count()
    }

    /// Notes the await of a future.
    fn awaited(&mut self, future: &Expr) {
        let callee = callee_of(self, future);
        let name = callee.name.clone();
        let receiver = match inner_call(future) {
            Expr::MethodCall(call) => last_name(&call.receiver).unwrap_or_default(),
            _ => String::new(),
        };
        let waits_for_stop = matches!(name.as_str(), "recv" | "changed" | "notified")
            && words::is_stop_signal(&receiver)
            || self.handles.is_empty() && words::is_stop_signal(&name) && name.contains("wait");
        if waits_for_stop || looks::enters_gate(&receiver, &name) {
            self.at(Kind::Look, name, future);
            return;
        }
        let wait = if words::is_short_wait(&name) {
            Wait::Short
        } else if words::is_long_wait(&name) {
            Wait::Long
        } else {
            Wait::Unknown
        };
        self.at(Kind::Await { callee, wait }, name, future);
    }

    /// Notes that the function awaits a task that it has spawned.
    fn join(&mut self, future: &Expr) {
        let Expr::Path(path) = without_conversions(future) else {
            return;
        };
        let name = path.path.get_ident().map(ToString::to_string);
        let spawn = name.and_then(|name| self.handles.get(&name)).copied();
        let event = spawn.and_then(|spawn| self.events.get_mut(spawn));
        if let Some(Kind::Spawn(spawn)) = event.map(|event| &mut event.kind) {
            spawn.is_joined = true;
        }
    }

    pub(super) fn call(&mut self, call: &ExprCall) {
        let name = match &*call.func {
            Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let Some(name) = name else {
            syn::visit::visit_expr_call(self, call);
            return;
        };
        let is_awaited = std::mem::replace(&mut self.is_awaited, false);
        if looks::is_look(&name) {
            self.visit_args(&call.args);
            self.at(Kind::Look, name, call);
        } else if names::is_spawn(&name) && !is_span(&name) && !is_awaited {
            self.spawn(&name, call, &call.args);
        } else {
            // `timeout(limit, async { .. }).await` awaits the block.
            self.is_awaited = is_awaited && names::forwards_future(&name);
            self.visit_awaited_args(&call.args);
            let receiver = String::new();
            self.named_call(&name, &receiver, call, is_awaited);
        }
    }

    pub(super) fn method_call(&mut self, call: &ExprMethodCall) {
        let name = call.method.to_string();
        let is_awaited = std::mem::replace(&mut self.is_awaited, false);
        if names::is_spawn(&name) && !is_span(&name) && !is_awaited {
            self.visit_expr(&call.receiver);
            let receiver = last_name(&call.receiver).unwrap_or_default();
            let is_set = self.sets.contains(&receiver)
                || matches!(
                    receiver.as_str(),
                    "scope" | "s" | "Command" | "command" | "cmd"
                )
                || receiver == "builder";
            if is_set || call.args.is_empty() {
                self.visit_args(&call.args);
                return;
            }
            self.spawn(&name, call, &call.args);
            return;
        }
        // `connect().instrument(span).await`: the inner call is the one that is awaited.
        self.is_awaited = is_awaited && (names::forwards_future(&name) || names::converts(&name));
        self.visit_expr(&call.receiver);
        self.is_awaited = false;
        self.visit_args(&call.args);
        if looks::is_look(&name) {
            let raced = if call.args.is_empty() {
                call.receiver.to_token_stream()
            } else {
                call.args.to_token_stream()
            };
            self.raced.extend(called(raced));
            self.at(Kind::Look, name, call);
            return;
        }
        if !self.publishing_method(call) {
            let receiver = last_name(&call.receiver).unwrap_or_default();
            self.named_call(&name, &receiver, call, is_awaited);
        }
    }

    fn visit_args(&mut self, args: &Punctuated<Expr, Token![,]>) {
        for arg in args {
            self.visit_expr(arg);
        }
    }

    /// Walks through arguments that are awaited if the call is.
    fn visit_awaited_args(&mut self, args: &Punctuated<Expr, Token![,]>) {
        let is_awaited = self.is_awaited;
        for arg in args {
            self.is_awaited = is_awaited;
            self.visit_expr(arg);
        }
        self.is_awaited = false;
    }

    /// A call that means something by its name alone.
    fn named_call(
        &mut self,
        name: &str,
        receiver: &str,
        at: &dyn quote::ToTokens,
        is_awaited: bool,
    ) {
        if looks::enters_gate(receiver, name) && !is_awaited {
            self.at(Kind::Look, name, at);
        } else if words::is_bind(name) && is_awaited {
            self.at(Kind::Bind, name, at);
        } else if words::is_start_call(name) && !is_awaited {
            let callee = Callee {
                name: name.to_owned(),
                takes_token: self.mentions_token(at.to_token_stream()),
                on_self: receiver == "self",
                is_call: true,
            };
            self.at(Kind::StartCall { callee }, name, at);
        }
    }

    pub(super) fn macro_call(&mut self, mac: &Macro) {
        let name = match mac.path.segments.last() {
            Some(last) => last.ident.to_string(),
            None => return,
        };
        let tokens = || mac.tokens.clone();
        match name.as_str() {
            "select" | "select_biased" => {
                if let Ok(branches) = syn::parse2::<Branches>(tokens()) {
                    return self.select(&branches, mac, name == "select_biased");
                }
            }
            "join" | "try_join" => {
                if let Some(futures) = arguments(tokens()) {
                    for future in &futures {
                        self.is_awaited = true;
                        self.visit_expr(future);
                        self.is_awaited = false;
                        self.join(future);
                        if !looks::has_look(future.to_token_stream()) {
                            self.awaited(future);
                        }
                    }
                    return;
                }
            }
            _ => {}
        }
        if names::is_log(&name) {
            return;
        }
        let Some(args) = arguments(tokens()) else {
            if let Ok(stmts) = Block::parse_within.parse2(tokens()) {
                self.stmts(&stmts);
            } else if looks::has_look(tokens()) {
                self.at(Kind::Look, name, mac);
            }
            return;
        };
        if names::is_spawn(&name) {
            self.spawn(&name, mac, &args);
            return;
        }
        let looks_before = self.looks();
        self.visit_args(&args);
        if self.looks() == looks_before && looks::has_look(tokens()) {
            self.at(Kind::Look, name, mac);
        }
    }

    fn select(&mut self, select: &Branches, mac: &Macro, is_biased: bool) {
        let futures = select
            .branches
            .iter()
            .filter_map(|branch| branch.future.as_ref());
        let looks = futures
            .clone()
            .any(|future| looks::has_look(future.to_token_stream()) || is_stop_future(future));
        if looks {
            let is_biased = is_biased || select.is_biased;
            self.at(Kind::Select { is_biased }, "select!", mac);
            self.at(Kind::Look, "select!", mac);
            for future in futures.clone() {
                self.raced.extend(called(future.to_token_stream()));
            }
        } else {
            for future in futures.clone() {
                let before = self.since.clone();
                self.is_awaited = true;
                self.visit_expr(future);
                self.is_awaited = false;
                self.since = before;
            }
            let callee = Callee {
                name: "select!".to_owned(),
                ..Callee::default()
            };
            let wait = Wait::Long;
            self.at(Kind::Await { callee, wait }, "select!", mac);
        }
        for future in futures {
            self.join(future);
        }
        let before = self.since.clone();
        let mut ends = Vec::new();
        for branch in &select.branches {
            if let Some(guard) = &branch.guard {
                self.visit_expr(guard);
            }
            let end = self.branch(&before, |walk| {
                walk.visit_expr(&branch.body);
                super::flow::leaves(&branch.body)
            });
            ends.extend(end);
        }
        self.merge(ends);
    }
}

/// `spawn_span` makes a span.
fn is_span(name: &str) -> bool {
    name.ends_with("span")
}

fn arguments(tokens: TokenStream) -> Option<Punctuated<Expr, Token![,]>> {
    Punctuated::parse_terminated.parse2(tokens).ok()
}

/// The names of the functions and methods that tokens call.
fn called(tokens: TokenStream) -> Vec<String> {
    let mut names = Vec::new();
    let mut before = None;
    for tree in tokens {
        if let TokenTree::Group(group) = &tree {
            let is_call = group.delimiter() == Delimiter::Parenthesis;
            names.extend(before.filter(|_| is_call));
            names.extend(called(group.stream()));
        }
        before = match tree {
            TokenTree::Ident(word) => Some(word.to_string()),
            _ => None,
        };
    }
    names
}

/// Whether a future is a variable that is named as a stop signal.
fn is_stop_future(future: &Expr) -> bool {
    match future {
        Expr::Path(_) | Expr::Reference(_) | Expr::Field(_) => {
            last_name(future).is_some_and(|name| words::is_stop_signal(&name))
        }
        Expr::MethodCall(call) => {
            matches!(
                call.method.to_string().as_str(),
                "recv" | "changed" | "notified" | "wait" | "wait_for"
            ) && last_name(&call.receiver).is_some_and(|name| words::is_stop_signal(&name))
                || words::is_stop_signal(&call.method.to_string())
        }
        Expr::Call(call) => last_name(&call.func).is_some_and(|name| words::is_stop_signal(&name)),
        _ => false,
    }
}

/// The last word of a place or of a call: `state` of `self.inner.state`, `lock` aside.
pub(super) fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => last_name(&field.base),
        },
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            let is_access = names::returns_same(&name)
                || matches!(
                    name.as_str(),
                    "lock" | "write" | "borrow" | "get" | "get_mut" | "load"
                );
            if is_access {
                last_name(&call.receiver)
            } else {
                Some(name)
            }
        }
        Expr::Call(call) => last_name(&call.func),
        Expr::Reference(expr) => last_name(&expr.expr),
        Expr::Paren(expr) => last_name(&expr.expr),
        Expr::Unary(expr) => last_name(&expr.expr),
        Expr::Try(expr) => last_name(&expr.expr),
        Expr::Await(expr) => last_name(&expr.base),
        Expr::Index(expr) => last_name(&expr.expr),
        _ => None,
    }
}

/// The call whose future is awaited, inside of wrappers such as `instrument`.
fn inner_call(future: &Expr) -> &Expr {
    match future {
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            let is_wrapper = names::forwards_future(&name) && !name.starts_with("join")
                || matches!(name.as_str(), "map_err" | "map" | "into_future" | "as_mut");
            if is_wrapper {
                inner_call(&call.receiver)
            } else {
                future
            }
        }
        Expr::Paren(expr) => inner_call(&expr.expr),
        Expr::Reference(expr) => inner_call(&expr.expr),
        Expr::Call(call) => match call.args.first() {
            Some(first) if is_pin(&call.func) => inner_call(first),
            _ => future,
        },
        future => future,
    }
}

fn is_pin(func: &Expr) -> bool {
    matches!(func, Expr::Path(path) if names::is_wrapper(&path.path))
}

/// The function that a future comes from.
pub(super) fn callee_of(walk: &Walk, future: &Expr) -> Callee {
    match inner_call(future) {
        Expr::Call(call) => Callee {
            name: last_name(&call.func).unwrap_or_else(|| "a call".to_owned()),
            takes_token: call
                .args
                .iter()
                .any(|arg| walk.mentions_token(arg.to_token_stream())),
            on_self: false,
            is_call: true,
        },
        Expr::MethodCall(call) => Callee {
            name: call.method.to_string(),
            takes_token: call
                .args
                .iter()
                .any(|arg| walk.mentions_token(arg.to_token_stream())),
            on_self: matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")),
            is_call: true,
        },
        Expr::Async(_) => Callee {
            name: "a block".to_owned(),
            ..Callee::default()
        },
        future => Callee {
            name: last_name(future).unwrap_or_else(|| "a future".to_owned()),
            ..Callee::default()
        },
    }
}
