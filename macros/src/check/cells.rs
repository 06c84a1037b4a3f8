//! Cells that are not the one of the guard: a part is served on another one, or on one where the
//! guard has none, or the cell is made in the body.

use proc_macro2::Ident;
use quote::ToTokens as _;
use syn::{Expr, ExprMethodCall, FnArg, Local, Signature, Type};

use super::flow::parts::{is_named_as_cell, is_part};
use super::roles::role;
use super::token::spelled_token;
use crate::args::Args;
use crate::errors::Errors;
use crate::function::GuardedFn;
use crate::syntax::{
    as_variable, find_ident, mentions, pat_variable, path_ends_in, place_root, to_source,
};
use crate::visit::{Node, Visit, visit_stmts};

/// Whether the guard and the body agree on the cell. If not, that is reported, and other errors
/// would follow from it.
pub(crate) fn check(args: &Args, function: &mut GuardedFn, errors: &mut Errors) -> bool {
    if let Some(state) = args.state.as_ref().filter(|state| makes_cell(state)) {
        errors.at(state, new_cell(state, function));
        return false;
    }
    let mut found = FindCells::default();
    visit_stmts(function.user_stmts(), &mut found);
    let sig = &function.sig;
    let output = function.output();
    let mistake = match &args.state {
        Some(state) => made_in_body(state, sig, &output, &found)
            .then(|| (state.to_token_stream(), needs_begin(state, args, function))),
        None if args.is_unparsed("state") || found.begins => None,
        None => {
            let mut parts = found.parts.iter();
            let part = parts.find(|part| found.is_part_of_cell(part, sig));
            // In a start, the store does not compile, and rustc's error says what to write.
            let store = found.stores.first().filter(|_| args.run.is_some());
            let does = if part.is_some() {
                "is served on"
            } else {
                "stores to"
            };
            part.or(store).map(|call| {
                let cell = &*call.receiver;
                let message = if found.makes(cell) {
                    needs_begin(cell, args, function)
                } else {
                    without_state(does, cell, &found)
                };
                (cell.to_token_stream(), message)
            })
        }
    };
    let Some((at, message)) = mistake else {
        return true;
    };
    // A constructor that returns no `Result` has got its error.
    let is_reported = matches!(&output, Type::Path(ty) if ty.path.is_ident("Self"))
        && args.on_refused.is_none()
        && !args.is_unparsed("on_refused");
    if !is_reported {
        errors.at(&at, message);
    }
    false
}

/// Whether an expression is `StateCell::new()`, `Arc::new(StateCell::named("mailer"))` or the like.
fn makes_cell(state: &Expr) -> bool {
    match state {
        Expr::Call(call) => {
            let Expr::Path(callee) = &*call.func else {
                return false;
            };
            let ends_in = |name| path_ends_in(&callee.path, name);
            callee.path.segments.len() > 1
                && (ends_in("named")
                    || call.args.is_empty() && (ends_in("new") || ends_in("default"))
                    || ends_in("new") && call.args.iter().any(makes_cell))
        }
        Expr::Group(expr) => makes_cell(&expr.expr),
        Expr::Paren(expr) => makes_cell(&expr.expr),
        Expr::Reference(expr) => makes_cell(&expr.expr),
        _ => false,
    }
}

fn new_cell(state: &Expr, function: &GuardedFn) -> String {
    let (cell, place) = match function.sig.receiver() {
        Some(_) => ("name the cell of the service", "state = self.state"),
        None => ("take the cell as a parameter, and name it", "state = state"),
    };
    format!(
        "`{}` makes a new cell at each call, which no caller can see; {cell}: `{place}`",
        to_source(state)
    )
}

fn needs_begin(cell: &Expr, args: &Args, function: &GuardedFn) -> String {
    let sig = &function.sig;
    format!(
        "the guard needs its cell when `{}` is called, and `{cell}` is no parameter; remove \
         `#[cancel_guarded]`, write `let attempt = {cell}.begin(&{token})?;` after the cell is made, \
         and put the rest of the body into `{}`; or take the cell as a parameter",
        sig.ident,
        drive_attempt(args, function),
        cell = to_source(cell),
        token = spelled_token(args, sig),
    )
}

/// How a body is run under an attempt that was begun by hand: one that is only begun is dropped,
/// which refuses the start.
pub(crate) fn drive_attempt(args: &Args, function: &GuardedFn) -> String {
    let token = spelled_token(args, &function.sig);
    // Only a variable can be the parameter of a closure.
    let is_variable = token
        .chars()
        .all(|letter| letter == '_' || letter.is_alphanumeric());
    let token = if is_variable { &*token } else { "token" };
    if args.run.is_some() {
        format!("attempt.run(async |{token}, publisher| {{ .. }}).await")
    } else if function.is_async() {
        format!("attempt.start(async |{token}| {{ .. }}).await")
    } else {
        format!("attempt.start_sync(|{token}| {{ .. }})")
    }
}

fn without_state(does: &str, cell: &Expr, found: &FindCells) -> String {
    let is_local = place_root(cell).is_some_and(|root| found.locals.contains(root));
    let outside = if is_local {
        "..".to_owned()
    } else {
        to_source(cell)
    };
    format!(
        "this {does} `{}`, and the guard has no state; add `state = {outside}` to \
         `#[cancel_guarded]`",
        to_source(cell),
    )
}

/// Whether `state =` names a variable that is there only in the body.
fn made_in_body(state: &Expr, sig: &Signature, output: &Type, found: &FindCells) -> bool {
    let Some(name) = as_variable(state) else {
        return false;
    };
    let text = name.to_string();
    let is_static = text.starts_with(char::is_uppercase);
    let is_param = sig
        .inputs
        .iter()
        .any(|input| mentions(input.to_token_stream(), name));
    let is_constructor =
        sig.receiver().is_none() && find_ident(output.to_token_stream(), "Self").is_some();
    !is_static && !is_param && (found.locals.contains(name) || is_constructor)
}

/// Whether a call is `CELL.store(Lifecycle::Running)`, or `CELL.store(Phase::RUNNING)`.
fn is_store_of_state(call: &ExprMethodCall) -> bool {
    let is_store = call.method == "store" && call.args.len() == 1;
    is_store && call.args.first().and_then(role).is_some()
}

fn is_cell_type(input: &FnArg) -> bool {
    match input {
        FnArg::Typed(input) => find_ident(input.ty.to_token_stream(), "StateCell").is_some(),
        FnArg::Receiver(_) => false,
    }
}

#[derive(Default)]
struct FindCells {
    /// The variables that the body declares.
    locals: Vec<Ident>,
    /// Those of them that are new cells.
    made: Vec<Ident>,
    parts: Vec<ExprMethodCall>,
    /// The stores of what is a state by its path.
    stores: Vec<ExprMethodCall>,
    /// Whether the body begins an attempt by hand.
    begins: bool,
}

impl FindCells {
    fn local(&mut self, local: &Local) {
        let Some(name) = pat_variable(&local.pat) else {
            return;
        };
        self.locals.push(name.clone());
        let makes_cell = local.init.as_ref().is_some_and(|init| {
            matches!(&*init.expr, Expr::Call(_))
                && find_ident(local.to_token_stream(), "StateCell").is_some()
        });
        if makes_cell {
            self.made.push(name.clone());
        }
    }

    /// Whether the body makes this cell.
    fn makes(&self, cell: &Expr) -> bool {
        as_variable(cell).is_some_and(|name| self.made.contains(name))
    }

    fn is_part_of_cell(&self, part: &ExprMethodCall, sig: &Signature) -> bool {
        let is_param = as_variable(&part.receiver).is_some_and(|name| {
            sig.inputs
                .iter()
                .any(|input| is_cell_type(input) && mentions(input.to_token_stream(), name))
        });
        is_named_as_cell(part) || is_param || self.makes(&part.receiver)
    }
}

impl Visit for FindCells {
    fn visit_node(&mut self, mut node: Node<'_>) {
        match &mut node {
            Node::Stmt(syn::Stmt::Local(local)) => self.local(local),
            Node::Expr(Expr::MethodCall(call)) => {
                self.begins |= call.method == "begin" || call.method == "begin_again";
                if is_part(call) {
                    self.parts.push(call.clone());
                }
                if is_store_of_state(call) {
                    self.stores.push(call.clone());
                }
            }
            Node::Expr(Expr::Call(call)) => {
                self.begins |= matches!(&*call.func, Expr::Path(callee)
                    if path_ends_in(&callee.path, "begin"));
            }
            Node::Item(_) => return,
            _ => {}
        }
        node.visit_children(self);
    }
}
