//! Reads what a body does, in the order of its text.
//!
//! The walk knows no types: it goes by the names of functions, methods and variables, as the
//! macro does.

mod calls;
mod flow;
mod publish;
mod tasks;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Expr, Stmt};

use crate::check::flow::names;
use crate::model::{Event, Kind};

/// The contents of a body.
pub(crate) struct Body {
    pub(crate) events: Vec<Event>,
    /// The functions whose futures end when a token is cancelled.
    pub(crate) raced: Vec<String>,
}

/// Reads a body. `tokens` are the names of the parameters that are tokens;
/// `uses_guard` says that the file uses cancel-guarded, whose `serve` and `track` own tasks.
pub(crate) fn read(stmts: &[&Stmt], tokens: HashSet<String>, uses_guard: bool) -> Body {
    let mut walk = Walk {
        uses_guard,
        tokens,
        ..Walk::default()
    };
    for stmt in stmts {
        walk.visit_stmt(stmt);
    }
    Body {
        events: walk.events,
        raced: walk.raced,
    }
}

/// A loop, and the awaits since the last look at each way out of it.
#[derive(Default)]
struct Exit {
    label: Option<String>,
    breaks: Vec<Vec<usize>>,
}

#[derive(Default)]
struct Walk {
    events: Vec<Event>,
    /// The awaits since the last look, in the current task.
    since: Vec<usize>,
    /// The current task, and how many there are.
    task: usize,
    tasks: usize,
    loops: usize,
    uses_guard: bool,
    raced: Vec<String>,
    /// The variables that hold a token.
    tokens: HashSet<String>,
    /// The variables that hold a set of tasks that ends with the function.
    sets: HashSet<String>,
    /// The variables that hold the guard of a lock.
    guards: HashSet<String>,
    /// The variables that hold the handle of a task, with the event of its spawn.
    handles: HashMap<String, usize>,
    /// The loops around the current expression, the innermost last.
    exits: Vec<Exit>,
    /// Whether the current call is awaited where it stands.
    is_awaited: bool,
}

impl Walk {
    fn event(
        &mut self,
        kind: Kind,
        label: impl Into<String>,
        span: Span,
        range: Range<usize>,
    ) -> usize {
        let is_look = matches!(kind, Kind::Look);
        let is_await = matches!(kind, Kind::Await { .. });
        self.events.push(Event {
            kind,
            line: span.start().line,
            range,
            label: label.into(),
            since: self.since.clone(),
            task: self.task,
            in_loop: self.loops > 0,
        });
        let index = self.events.len() - 1;
        if is_look {
            self.since.clear();
        } else if is_await {
            self.since.push(index);
        }
        index
    }

    /// Adds an event at these tokens.
    fn at(&mut self, kind: Kind, label: impl Into<String>, tokens: &dyn ToTokens) -> usize {
        let (first, last) = crate::syntax::span_ends(tokens);
        let range = first.byte_range().start..last.byte_range().end;
        self.event(kind, label, first, range)
    }

    fn stmts(&mut self, stmts: &[Stmt]) {
        for stmt in stmts {
            self.visit_stmt(stmt);
        }
    }

    /// Walks through something that may be skipped: a branch. Returns the awaits at its end, or
    /// `None` if nothing follows it.
    fn branch(
        &mut self,
        before: &[usize],
        walk: impl FnOnce(&mut Self) -> bool,
    ) -> Option<Vec<usize>> {
        self.since = before.to_vec();
        let is_left = walk(self);
        let after = std::mem::take(&mut self.since);
        (!is_left).then_some(after)
    }

    /// Continues after branches.
    fn merge(&mut self, ends: impl IntoIterator<Item = Vec<usize>>) {
        let mut since: Vec<usize> = ends.into_iter().flatten().collect();
        since.sort_unstable();
        since.dedup();
        self.since = since;
    }

    /// Whether tokens mention a token, by the name of a variable or of a field.
    fn mentions_token(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|tree| match tree {
            TokenTree::Ident(word) => {
                let word = word.to_string();
                self.tokens.contains(&word) || word != "self" && is_named_as_token(&word)
            }
            TokenTree::Group(group) => self.mentions_token(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
}

/// Whether a variable or a field is named as a token, and not as a text or a number.
fn is_named_as_token(name: &str) -> bool {
    names::is_token(name) && crate::words::is_stop_signal(name)
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        match stmt {
            Stmt::Item(_) => {}
            Stmt::Local(local) => self.local(local),
            Stmt::Macro(stmt) => self.macro_call(&stmt.mac),
            Stmt::Expr(expr, _) => self.visit_expr(expr),
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Await(expr) => self.await_(expr),
            Expr::Call(call) => self.call(call),
            Expr::MethodCall(call) => self.method_call(call),
            Expr::Macro(expr) => self.macro_call(&expr.mac),
            Expr::Assign(expr) => self.assign(expr),
            Expr::If(expr) => self.if_(expr),
            Expr::Match(expr) => self.match_(expr),
            Expr::Loop(expr) => self.loop_(expr.label.as_ref(), None, &expr.body, true),
            Expr::While(expr) => {
                self.loop_(expr.label.as_ref(), Some(&expr.cond), &expr.body, false);
            }
            Expr::ForLoop(expr) => {
                self.visit_expr(&expr.expr);
                self.loop_(expr.label.as_ref(), None, &expr.body, false);
            }
            Expr::Break(expr) => self.break_(expr),
            Expr::Async(expr) if !self.is_awaited => {
                self.in_task(|walk| walk.stmts(&expr.block.stmts));
            }
            Expr::Async(expr) => {
                self.is_awaited = false;
                self.stmts(&expr.block.stmts);
            }
            expr => visit::visit_expr(self, expr),
        }
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
