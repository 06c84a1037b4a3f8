//! Spawned tasks, and what they do first.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit::Visit as _;
use syn::{Expr, Token};

use super::Walk;
use super::calls::callee_of;
use crate::check::flow::names;
use crate::model::{Callee, First, Kind, Spawn};
use crate::words;

impl Walk {
    /// A call that spawns its arguments.
    pub(super) fn spawn(
        &mut self,
        name: &str,
        at: &dyn ToTokens,
        args: &Punctuated<Expr, Token![,]>,
    ) {
        let spawn = Spawn {
            function: None,
            first: First::Other,
            is_owned: is_part(args.to_token_stream(), self.uses_guard),
            is_joined: false,
        };
        let index = self.at(Kind::Spawn(spawn), name, at);
        let (mut first, function) = self.inside_task(args);
        if !names::is_plain_spawn(name) && !matches!(first, First::Look) {
            // A helper such as `spawn_worker(token)`: the task is in its body.
            first = First::Call(Callee {
                name: name.to_owned(),
                takes_token: self.mentions_token(args.to_token_stream()),
                on_self: false,
                is_call: true,
            });
        }
        if let Some(Kind::Spawn(spawn)) = self.events.get_mut(index).map(|event| &mut event.kind) {
            spawn.first = first;
            spawn.function = function;
        }
    }

    /// Walks through the future that is spawned, as a task of its own.
    fn inside_task(&mut self, args: &Punctuated<Expr, Token![,]>) -> (First, Option<String>) {
        let first_event = self.events.len();
        let inside = self.tasks + 1;
        let mut call = None;
        self.in_task(|walk| {
            for arg in args {
                walk.future(arg);
                call = call.take().or_else(|| walk.spawned_call(arg));
            }
        });
        let mut events = self.events.iter().skip(first_event);
        let first = events.find(|event| event.task == inside);
        let function = call.as_ref().map(|call| call.name.clone());
        let first = match first.map(|event| &event.kind) {
            Some(Kind::Look | Kind::Select { .. }) => First::Look,
            Some(Kind::Await { callee, .. }) => First::Call(callee.clone()),
            None => call.map_or(First::Other, First::Call),
            Some(_) => First::Other,
        };
        (first, function)
    }

    /// Walks through the future or the closure that a task is.
    fn future(&mut self, arg: &Expr) {
        match arg {
            Expr::Async(block) => self.stmts(&block.block.stmts),
            Expr::Closure(closure) => self.future(&closure.body),
            Expr::MethodCall(call) if names::forwards_future(&call.method.to_string()) => {
                self.future(&call.receiver);
            }
            arg => self.visit_expr(arg),
        }
    }

    /// Walks through something that runs at another time.
    pub(super) fn in_task(&mut self, walk: impl FnOnce(&mut Self)) {
        let outside = (self.task, self.loops);
        let since = std::mem::take(&mut self.since);
        let exits = std::mem::take(&mut self.exits);
        self.tasks += 1;
        self.task = self.tasks;
        self.loops = 0;
        walk(self);
        (self.task, self.loops) = outside;
        self.since = since;
        self.exits = exits;
    }

    /// The call of an async function whose future is spawned: `serve(token)`.
    fn spawned_call(&self, arg: &Expr) -> Option<Callee> {
        match arg {
            Expr::MethodCall(call) if names::forwards_future(&call.method.to_string()) => {
                self.spawned_call(&call.receiver)
            }
            Expr::Call(_) | Expr::MethodCall(_) => Some(callee_of(self, arg)),
            _ => None,
        }
    }
}

/// Whether tokens hold a call of `serve` or `track`, which make a task part of a service: in a file
/// that uses cancel-guarded, or on a value that is named as a state.
fn is_part(tokens: TokenStream, uses_guard: bool) -> bool {
    let mut owner = String::new();
    let mut is_after_dot = false;
    for tree in tokens {
        let is_dot = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '.');
        match &tree {
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let is_owner = uses_guard || words::is_state(&owner) || owner.ends_with("cell");
                if is_after_dot && is_owner && names::is_serve(&word) {
                    return true;
                }
                owner = word;
            }
            TokenTree::Group(group) => {
                if is_part(group.stream(), uses_guard) {
                    return true;
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        is_after_dot = is_dot;
    }
    false
}
