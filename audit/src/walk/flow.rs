//! Statements that branch, loop and bind.

use quote::ToTokens as _;
use syn::visit::Visit as _;
use syn::{Block, Expr, ExprAssign, ExprBreak, ExprIf, ExprMatch, Label, Local, Stmt};

use super::{Exit, Walk};
use crate::check::flow::names;
use crate::model::Kind;
use crate::syntax;

impl Walk {
    pub(super) fn local(&mut self, local: &Local) {
        let Some(init) = &local.init else { return };
        let first = self.events.len();
        self.visit_expr(&init.expr);
        if let Some(name) = syntax::pat_variable(&local.pat) {
            self.bind(&name.to_string(), &init.expr, first);
        }
        if let Some((_, diverge)) = &init.diverge {
            let before = self.since.clone();
            self.branch(&before, |walk| {
                walk.visit_expr(diverge);
                true
            });
            self.since = before;
        }
    }

    /// Notes what a variable holds. `first` is the first event of its value.
    fn bind(&mut self, name: &str, init: &Expr, first: usize) {
        let is_token = match without_conversions(init) {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|word| self.tokens.contains(&word.to_string())),
            Expr::MethodCall(call) => {
                call.method == "child_token" || call.method == "cancellation_token"
            }
            Expr::Field(field) => {
                let tokens = field.member.to_token_stream();
                self.mentions_token(tokens)
            }
            Expr::Call(call) => {
                syntax::find_ident(call.func.to_token_stream(), "CancellationToken").is_some()
            }
            _ => false,
        };
        if is_token {
            self.tokens.insert(name.to_owned());
        }
        let text = match init {
            Expr::Call(call) => syntax::to_source(&call.func),
            _ => String::new(),
        };
        let is_set = [
            "JoinSet",
            "FuturesUnordered",
            "FuturesOrdered",
            "TaskTracker",
        ]
        .iter()
        .any(|set| text.contains(set));
        if is_lock(init) {
            self.guards.insert(name.to_owned());
        }
        if is_set {
            self.sets.insert(name.to_owned());
        }
        if let Some(spawn) = self.spawn_since(first) {
            self.handles.insert(name.to_owned(), spawn);
        }
    }

    fn spawn_since(&self, first: usize) -> Option<usize> {
        let events = self.events.iter().enumerate().skip(first);
        events
            .filter(|(_, event)| event.task == self.task)
            .find(|(_, event)| matches!(event.kind, Kind::Spawn(_)))
            .map(|(index, _)| index)
    }

    pub(super) fn assign(&mut self, assign: &ExprAssign) {
        self.visit_expr(&assign.right);
        self.visit_expr(&assign.left);
        self.publishing_assignment(assign);
    }

    pub(super) fn if_(&mut self, expr: &ExprIf) {
        self.visit_expr(&expr.cond);
        let before = self.since.clone();
        let then = self.branch(&before, |walk| walk.block(&expr.then_branch));
        let otherwise = match &expr.else_branch {
            Some((_, branch)) => self.branch(&before, |walk| {
                walk.visit_expr(branch);
                leaves(branch)
            }),
            None => Some(before),
        };
        self.merge(then.into_iter().chain(otherwise));
    }

    pub(super) fn match_(&mut self, expr: &ExprMatch) {
        self.visit_expr(&expr.expr);
        let before = self.since.clone();
        let mut ends = Vec::new();
        for arm in &expr.arms {
            let end = self.branch(&before, |walk| {
                walk.visit_expr(&arm.body);
                leaves(&arm.body)
            });
            ends.extend(end);
        }
        self.merge(ends);
    }

    /// Walks through a loop. `is_endless` says that only a `break` leaves it.
    pub(super) fn loop_(
        &mut self,
        label: Option<&Label>,
        cond: Option<&Expr>,
        body: &Block,
        is_endless: bool,
    ) {
        self.loops += 1;
        self.exits.push(Exit {
            label: label.map(|label| label.name.ident.to_string()),
            breaks: Vec::new(),
        });
        if let Some(cond) = cond {
            self.visit_expr(cond);
        }
        let before = self.since.clone();
        self.stmts(&body.stmts);
        let after = std::mem::take(&mut self.since);
        let breaks = self.exits.pop().map(|exit| exit.breaks).unwrap_or_default();
        // A look inside counts, also where the body may run no round.
        let ends = if is_endless {
            Vec::new()
        } else if after.is_empty() {
            vec![after]
        } else {
            vec![before, after]
        };
        self.merge(breaks.into_iter().chain(ends));
        self.loops -= 1;
    }

    pub(super) fn break_(&mut self, expr: &ExprBreak) {
        if let Some(value) = &expr.expr {
            self.visit_expr(value);
        }
        let label = expr.label.as_ref().map(|label| label.ident.to_string());
        let since = self.since.clone();
        let mut exits = self.exits.iter_mut().rev();
        let exit = exits.find(|exit| label.is_none() || exit.label == label);
        if let Some(exit) = exit {
            exit.breaks.push(since);
        }
    }

    /// Walks through a block. Returns whether nothing follows it.
    pub(super) fn block(&mut self, block: &Block) -> bool {
        self.stmts(&block.stmts);
        leaves_block(block)
    }
}

/// `state.write().await`, `state.lock().unwrap()`
fn is_lock(expr: &Expr) -> bool {
    match expr {
        Expr::Await(expr) => is_lock(&expr.base),
        Expr::Try(expr) => is_lock(&expr.expr),
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            matches!(name.as_str(), "lock" | "write" | "borrow_mut")
                || names::returns_same(&name) && is_lock(&call.receiver)
        }
        _ => false,
    }
}

/// The value inside of clones, references and `unwrap`s.
pub(super) fn without_conversions(expr: &Expr) -> &Expr {
    match expr {
        Expr::Reference(expr) => without_conversions(&expr.expr),
        Expr::Paren(expr) => without_conversions(&expr.expr),
        Expr::Try(expr) => without_conversions(&expr.expr),
        Expr::MethodCall(call) if names::returns_same(&call.method.to_string()) => {
            without_conversions(&call.receiver)
        }
        expr => expr,
    }
}

pub(super) fn leaves(expr: &Expr) -> bool {
    match expr {
        Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => true,
        Expr::Block(expr) => leaves_block(&expr.block),
        Expr::Call(call) => syntax::to_source(&call.func).ends_with("exit"),
        Expr::Macro(expr) => is_leaving_macro(&expr.mac),
        Expr::If(expr) => {
            leaves_block(&expr.then_branch)
                && expr
                    .else_branch
                    .as_ref()
                    .is_some_and(|(_, branch)| leaves(branch))
        }
        Expr::Match(expr) => expr.arms.iter().all(|arm| leaves(&arm.body)),
        _ => false,
    }
}

fn is_leaving_macro(mac: &syn::Macro) -> bool {
    [
        "bail",
        "panic",
        "unreachable",
        "todo",
        "unimplemented",
        "return_err",
    ]
    .iter()
    .any(|name| syntax::path_ends_in(&mac.path, name))
}

fn leaves_block(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expr, _)) => leaves(expr),
        Some(Stmt::Macro(stmt)) => is_leaving_macro(&stmt.mac),
        _ => false,
    }
}
