//! Reports what a body may not contain, and collects what later decisions depend on.

use std::mem;

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens as _;
use syn::{Attribute, Expr, ExprAwait, ExprMethodCall, Local, Macro, Pat, Stmt};

use super::roles::{reserved_role, role};
use super::waits::may_wait;
use crate::args::Args;
use crate::errors::Errors;
use crate::function::GuardedFn;
use crate::model::BodyFacts;
use crate::syntax::{
    as_variable, is_atomic_store, is_detached, is_guard_attr, is_method_of, is_part, is_shielded,
    is_store, mentions, pat_variable, place_root, put_attr, take_attr, to_source,
};
use crate::visit::{Node, Visit, visit_stmts};

/// The findings that are errors in one mode only, and the facts about the body.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) facts: BodyFacts,
    /// The states that the body itself stores and may store in a run: RUNNING.
    pub(crate) running_stores: Vec<Expr>,
    /// The calls of `STATE.publisher()`.
    pub(crate) publishers: Vec<TokenStream>,
    /// The awaits of the end of the attempt.
    pub(crate) end_waits: Vec<EndWait>,
}

/// An await of `STATE.stop()`, `STATE.stopped()` or `STATE.stop_or_abort(..)`.
pub(crate) struct EndWait {
    pub(crate) tokens: TokenStream,
    /// It asks the attempt to end.
    pub(crate) stops: bool,
    pub(crate) is_shielded: bool,
    /// Whether a store or a publisher comes before it.
    pub(crate) may_be_published: bool,
}

pub(crate) fn check(args: &Args, function: &mut GuardedFn, errors: &mut Errors) -> Findings {
    let mut check = CheckBody {
        errors,
        state: args.state.as_ref(),
        state_name: args.state.as_ref().and_then(place_root),
        fn_is_shielded: args.shielded.is_some(),
        is_shielded: false,
        is_nested: false,
        publishers: Vec::new(),
        findings: Findings::default(),
    };
    visit_stmts(function.user_stmts(), &mut check);
    check.findings
}

/// The variable of which an expression is a clone or a borrow.
fn cloned_variable(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Reference(reference) => cloned_variable(&reference.expr),
        Expr::MethodCall(call) if call.method == "clone" => cloned_variable(&call.receiver),
        Expr::Call(call) if call.args.len() == 1 => {
            let Expr::Path(callee) = &*call.func else {
                return None;
            };
            let is_clone = callee.path.segments.last()?.ident == "clone";
            is_clone
                .then(|| call.args.first())?
                .and_then(cloned_variable)
        }
        expr => as_variable(expr),
    }
}

/// Visits the user's body.
struct CheckBody<'a> {
    errors: &'a mut Errors,
    state: Option<&'a Expr>,
    /// The variable that `state =` begins with.
    state_name: Option<&'a Ident>,
    fn_is_shielded: bool,
    /// Whether the current node is under a `#[shielded]`.
    is_shielded: bool,
    /// Whether the current node runs elsewhere, or later: in a closure or an async block.
    is_nested: bool,
    /// The variables that hold a publisher.
    publishers: Vec<Ident>,
    findings: Findings,
}

impl CheckBody<'_> {
    fn nested(&mut self, node: Node<'_>) {
        let was_nested = mem::replace(&mut self.is_nested, true);
        node.visit_children(self);
        self.is_nested = was_nested;
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        let detached = take_attr(stmt, is_detached);
        if let Some(attr) = &detached {
            self.detached(attr, stmt);
        }
        match take_attr(stmt, is_shielded) {
            Some(attr) => {
                self.shield(&attr, stmt);
                put_attr(stmt, attr);
            }
            None => Node::Stmt(stmt).visit_children(self),
        }
        if let Some(attr) = detached {
            put_attr(stmt, attr);
        }
    }

    fn shield(&mut self, attr: &Attribute, stmt: &mut Stmt) {
        if attr.meta.require_path_only().is_err() {
            self.errors.at(
                attr,
                "`#[shielded]` takes no arguments; write `#[shielded]`",
            );
        } else if self.is_nested {
            self.errors.at(
                attr,
                "`#[shielded]` reaches only the awaits of the body itself, \
                 not those of a nested closure or async block; remove it",
            );
        } else if self.fn_is_shielded {
            self.errors.at(
                attr,
                "the whole function is `shielded`; remove either this or that",
            );
        } else if self.is_shielded {
            self.errors.at(
                attr,
                "the statement around this is `#[shielded]` already; remove one of the two",
            );
        } else if !may_wait(stmt) {
            self.errors.at(
                attr,
                "there is no `.await` here to shield; \
                 put `#[shielded]` on the statement that waits, or remove it",
            );
        } else {
            self.findings.facts.has_shields = true;
        }
        let was_shielded = mem::replace(&mut self.is_shielded, true);
        self.visit_node(Node::Stmt(stmt));
        self.is_shielded = was_shielded;
    }

    fn detached(&mut self, attr: &Attribute, stmt: &mut Stmt) {
        if attr.meta.require_path_only().is_err() {
            self.errors.at(
                attr,
                "`#[detached]` takes no arguments; write `#[detached]`",
            );
        } else if !spawns(stmt) {
            self.errors.at(
                attr,
                "nothing is spawned here; put `#[detached]` on the statement that spawns, \
                 or remove it",
            );
        }
    }

    fn attribute(&mut self, attr: &Attribute) {
        if is_shielded(attr) {
            self.errors.at(
                attr,
                "`#[shielded]` means nothing here; \
                 put it in front of the statement, the block or the `let` that waits",
            );
        } else if is_guard_attr(attr) {
            self.errors.at(
                attr,
                "`#[detached]` means nothing here; put it in front of the statement that spawns",
            );
        }
    }

    fn local(&mut self, local: &Local) {
        let Some(init) = &local.init else { return };
        if let (Expr::MethodCall(call), Some(state), Some(name)) =
            (&*init.expr, self.state, pat_variable(&local.pat))
        {
            if is_method_of(call, state, "publisher", 0) {
                self.publishers.push(name.clone());
            }
        }
        self.rebinding(&local.pat, Some(&init.expr));
    }

    /// A new variable of the name that `state =` begins with is another cell, which the body would
    /// then store to.
    fn rebinding(&mut self, pat: &Pat, value: Option<&Expr>) {
        let (Some(name), false) = (self.state_name, self.is_nested) else {
            return;
        };
        let is_same = value.and_then(cloned_variable) == Some(name);
        if pat_variable(pat) == Some(name) && is_same {
            return;
        }
        let mut bound = BoundName { name, found: None };
        bound.visit_node(Node::Pat(&mut pat.clone()));
        if let (Some(found), Some(state)) = (bound.found, self.state) {
            let message = format!(
                "`{name}` is what `state = {}` begins with, and this gives the name to another \
                 value; choose another name",
                to_source(state)
            );
            self.errors.at(&found, message);
        }
    }

    fn store(&mut self, call: &ExprMethodCall, stored: &Expr) {
        if self.is_nested {
            self.errors.at(
                call,
                "only the body itself can store a state, and this is in a nested closure or async \
                 block, which may outlive the start; move it into the body",
            );
        } else if let Some(role) = reserved_role(stored) {
            self.errors.at(
                stored,
                format!(
                    "`{role}` cannot be stored, the guard sets it; \
                     return an error to fail, and leave the rest to the guard"
                ),
            );
        } else if role(stored) == Some("RUNNING") {
            self.findings.running_stores.push(stored.clone());
        }
        self.findings.facts.stores.push(stored.clone());
    }

    // `self.state.store(Phase::Up, Ordering::SeqCst)`
    fn atomic_store(&mut self, call: &ExprMethodCall, stored: &Expr) {
        let state = to_source(&call.receiver);
        let message = format!(
            "a `cancel_guarded::StateCell` takes a state and no `Ordering`; \
             remove this line if it says that the service is up (the guard says that), \
             or store a step of your own: `{state}.store(..)`"
        );
        self.errors.at(call, message);
        self.findings.facts.stores.push(stored.clone());
    }

    fn method_call(&mut self, call: &ExprMethodCall) {
        let Some(state) = self.state else { return };
        if let Some(stored) = call.args.first() {
            if is_store(call, state) {
                self.store(call, stored);
            } else if is_atomic_store(call, state) {
                self.atomic_store(call, stored);
            }
        }
        if is_method_of(call, state, "publisher", 0) {
            self.findings.facts.has_publisher = true;
            self.findings.publishers.push(call.to_token_stream());
        }
        if is_part(call, state) {
            self.publisher_in_part(call);
            self.borrowed_wait_in_part(call);
        }
    }

    /// A part runs only once the service is published, so it cannot be the part that publishes.
    fn publisher_in_part(&mut self, call: &ExprMethodCall) {
        let Some(state) = self.state else { return };
        let arguments = call.args.to_token_stream();
        let holds_publisher = self
            .publishers
            .iter()
            .any(|name| mentions(arguments.clone(), name));
        let mut asks = AsksForPublisher(state, false);
        for argument in &call.args {
            asks.visit_node(Node::Expr(&mut argument.clone()));
        }
        if holds_publisher || asks.1 {
            let method = &call.method;
            let message = format!(
                "what is given to `{method}` runs only once the service is published, so it would \
                 wait for its own publisher for ever; publish in the body, or hand the publisher \
                 to what the body awaits"
            );
            self.errors.at(call, message);
        }
    }

    // `self.state.serve(shutdown.cancelled())`
    fn borrowed_wait_in_part(&mut self, part: &ExprMethodCall) {
        let Some(Expr::MethodCall(wait)) = part.args.first() else {
            return;
        };
        let is_static = place_root(&wait.receiver)
            .is_none_or(|root| root.to_string().starts_with(char::is_uppercase));
        if wait.method == "cancelled" && !is_static {
            let message = format!(
                "what is given to `{}` outlives this function, and `cancelled()` borrows the token; \
                 write `cancelled_owned()`, on a clone if the token is used later",
                part.method
            );
            self.errors.at(&wait.method, message);
        }
    }

    fn await_(&mut self, await_: &ExprAwait) {
        let (Some(state), false) = (self.state, self.is_nested) else {
            return;
        };
        if let Expr::MethodCall(call) = &*await_.base {
            let waits_for_end = is_method_of(call, state, "stop", 0)
                || is_method_of(call, state, "stopped", 0)
                || is_method_of(call, state, "stop_or_abort", 1);
            if waits_for_end {
                self.findings.end_waits.push(EndWait {
                    tokens: await_.to_token_stream(),
                    stops: call.method != "stopped",
                    is_shielded: self.is_shielded || self.fn_is_shielded,
                    may_be_published: self.findings.facts.has_publisher
                        || self.findings.facts.stores.iter().any(may_be_running),
                });
            }
        }
    }
}

/// Whether a state may be RUNNING, as far as its path tells.
pub(crate) fn may_be_running(stored: &Expr) -> bool {
    role(stored).is_none_or(|role| role == "RUNNING")
}

impl Visit for CheckBody<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Stmt(stmt) => {
                if let Stmt::Local(local) = &*stmt {
                    self.local(local);
                }
                self.stmt(stmt);
            }
            Node::Attributes(attrs) => attrs.iter().for_each(|attr| self.attribute(attr)),
            Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Const(_) | Node::Item(_) => {
                self.nested(node);
            }
            node => {
                match &node {
                    Node::Expr(Expr::Await(await_)) => self.await_(await_),
                    Node::Expr(Expr::MethodCall(call)) => self.method_call(call),
                    Node::Expr(Expr::ForLoop(expr)) => self.rebinding(&expr.pat, None),
                    Node::Expr(Expr::Let(expr)) => self.rebinding(&expr.pat, None),
                    Node::Expr(Expr::Match(expr)) => {
                        for arm in &expr.arms {
                            self.rebinding(&arm.pat, None);
                        }
                    }
                    _ => {}
                }
                node.visit_children(self);
            }
        }
    }
}

struct BoundName<'a> {
    name: &'a Ident,
    found: Option<Ident>,
}

impl Visit for BoundName<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        if let Node::PatIdent(pat) = &node {
            if pat.ident == *self.name {
                self.found.get_or_insert_with(|| pat.ident.clone());
            }
        }
        node.visit_children(self);
    }
}

struct AsksForPublisher<'a>(&'a Expr, bool);

impl Visit for AsksForPublisher<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        if let Node::Expr(Expr::MethodCall(call)) = &node {
            self.1 |= is_method_of(call, self.0, "publisher", 0);
        }
        node.visit_children(self);
    }
}

/// Whether a statement calls something whose name begins with `spawn`.
fn spawns(stmt: &mut Stmt) -> bool {
    struct Spawns(bool);

    impl Visit for Spawns {
        fn visit_node(&mut self, node: Node<'_>) {
            match node {
                Node::Ident(ident) => self.0 |= ident.to_string().starts_with("spawn"),
                Node::Macro(mac) => self.0 |= macro_spawns(mac),
                node => node.visit_children(self),
            }
        }
    }

    let mut found = Spawns(false);
    found.visit_node(Node::Stmt(stmt));
    found.0
}

fn macro_spawns(mac: &Macro) -> bool {
    mac.to_token_stream().to_string().contains("spawn")
}
