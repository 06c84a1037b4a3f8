//! Publications: the writes and messages that say that something is up.

use quote::ToTokens as _;
use syn::{Expr, ExprAssign, ExprMethodCall, Lit};

use super::Walk;
use super::calls::last_name;
use crate::model::{Kind, Publication};
use crate::syntax;
use crate::words;

impl Walk {
    pub(super) fn publishing_assignment(&mut self, assign: &ExprAssign) {
        let Some(name) = last_name(&assign.left) else {
            return;
        };
        if self.loops > 0 && !self.is_in_self(&assign.left) && !is_dereferenced(&assign.left) {
            // One element among many, such as a task in a map of tasks.
            return;
        }
        let publishes = is_true(&assign.right) && words::is_ready(&name)
            || is_ready_state(&assign.right)
                && (words::is_state(&name) || is_dereferenced(&assign.left));
        // A local variable of that name is no publication.
        let is_shared = matches!(&*assign.left, Expr::Field(_) | Expr::Unary(_));
        if publishes && is_shared {
            let label = syntax::to_source(&assign.left);
            self.at(Kind::Publish(Publication::State), label, assign);
        }
    }

    /// Whether a place is a field of `self`, or of the content of a lock.
    fn is_in_self(&self, place: &Expr) -> bool {
        match place {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|name| name == "self" || self.guards.contains(&name.to_string())),
            Expr::Field(field) => self.is_in_self(&field.base),
            Expr::MethodCall(_) | Expr::Await(_) => true,
            Expr::Paren(expr) => self.is_in_self(&expr.expr),
            Expr::Try(expr) => self.is_in_self(&expr.expr),
            _ => false,
        }
    }

    pub(super) fn publishing_method(&mut self, call: &ExprMethodCall) -> bool {
        let method = call.method.to_string();
        let receiver = last_name(&call.receiver).unwrap_or_default();
        let publication = if is_publishing_store(&method, &receiver, call)
            || words::is_publishing_method(&method) && !call.args.iter().any(is_not_ready)
        {
            Publication::State
        } else if is_signal(&method, &receiver, call) {
            Publication::Signal
        } else {
            return false;
        };
        let label = if receiver.is_empty() {
            method
        } else {
            format!("{receiver}.{method}")
        };
        self.at(Kind::Publish(publication), label, call);
        true
    }
}

/// `running.store(true, ..)`, `state.set(State::Running)`, `set_state(Running)`.
fn is_publishing_store(method: &str, receiver: &str, call: &ExprMethodCall) -> bool {
    if !words::sets_state(method) {
        return false;
    }
    let mut args = call.args.iter();
    if method == "compare_exchange" {
        args.next();
    }
    args.next().is_some_and(|value| {
        is_true(value) && (words::is_ready(receiver) || words::is_ready(method))
            || is_ready_state(value)
    })
}

/// `ready.notify_waiters()`, `ready_tx.send(..)`, `events.send(Event::Started)`.
fn is_signal(method: &str, receiver: &str, call: &ExprMethodCall) -> bool {
    let notifies = matches!(
        method,
        "notify_one" | "notify_waiters" | "notify_last" | "add_permits" | "wait_barrier"
    );
    let sends = matches!(
        method,
        "send" | "try_send" | "send_replace" | "broadcast" | "emit"
    );
    if notifies {
        return words::is_ready(receiver);
    }
    sends
        && (words::is_ready(receiver) && !call.args.iter().any(is_false)
            || call.args.first().is_some_and(|value| {
                is_ready_state(value) && (words::is_state(receiver) || names_a_state(value))
            }))
}

fn is_true(expr: &Expr) -> bool {
    is_bool(expr, true)
}

fn is_false(expr: &Expr) -> bool {
    is_bool(expr, false)
        || matches!(expr, Expr::Call(call)
            if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Err")))
}

fn is_bool(expr: &Expr, wanted: bool) -> bool {
    matches!(expr, Expr::Lit(lit) if matches!(&lit.lit, Lit::Bool(value) if value.value == wanted))
}

/// `false`, `HealthStatus::NotReady`
fn is_not_ready(expr: &Expr) -> bool {
    is_false(expr)
        || match expr {
            Expr::Path(path) if path.path.segments.len() > 1 => !is_ready_state(expr),
            _ => false,
        }
}

/// Whether a value is of a type that is named as a state: `Status::Running`.
fn names_a_state(value: &Expr) -> bool {
    let text = syntax::to_source(value);
    let Some((before, _)) = text.rsplit_once("::") else {
        return false;
    };
    before.split("::").any(words::is_state)
}

/// `State::Running`, also as a number or in a `Some`.
fn is_ready_state(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name.starts_with(char::is_uppercase) && words::is_ready(&name)
        }),
        Expr::Cast(expr) => is_ready_state(&expr.expr),
        Expr::Paren(expr) => is_ready_state(&expr.expr),
        Expr::Reference(expr) => is_ready_state(&expr.expr),
        Expr::Struct(expr) => expr
            .path
            .segments
            .last()
            .is_some_and(|last| words::is_ready(&last.ident.to_string())),
        Expr::Call(call) => {
            let name = syntax::to_source(&call.func);
            let last = name.rsplit("::").next().unwrap_or_default();
            last == "Some" && call.args.iter().any(is_ready_state)
                || last.starts_with(char::is_uppercase) && words::is_ready(last)
        }
        Expr::MethodCall(call) if call.args.is_empty() => is_ready_state(&call.receiver),
        Expr::MethodCall(call) => {
            matches!(call.method.to_string().as_str(), "into") && is_ready_state(&call.receiver)
        }
        _ => false,
    }
}

/// `*state.lock()`
fn is_dereferenced(expr: &Expr) -> bool {
    matches!(expr, Expr::Unary(unary) if unary.op.to_token_stream().to_string() == "*")
}
