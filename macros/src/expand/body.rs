//! Rewrites the user's body: checks at awaits, stores, `#[shielded]`.
//!
//! This changes no type, no temporary's lifetime and no borrow. Nested closures, async blocks, items
//! and the input of macros stay as they are written.

use std::mem;

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, Block, Expr, ExprAwait, Stmt, Token};

use super::suspends::{
    round_begins_unchecked, stmt_begins_by_macro, stmt_leaves_unchecked, suspends_by_macro,
};
use super::{detached, names};
use crate::syntax::{find_ident, has_semi, is_shielded, is_store, span_ends, take_attr};
use crate::visit::{Node, Visit};

/// Rewrites a body, in place.
pub(crate) struct RewriteBody<'a> {
    /// The cell of `state =`.
    pub(crate) state: Option<&'a Expr>,
    /// Whether the awaits of the body are checked.
    pub(crate) checks_awaits: bool,
}

/// The code that follows the last statement of a block.
#[derive(Clone, Copy, PartialEq)]
enum BlockKind {
    /// The block's value, or the statement that contains the block.
    Value,
    /// The next round of a `loop`.
    Loop,
    /// The condition of a `while`, or the iterator of a `for`.
    Condition,
    /// The end of the function, which is checked anyway.
    Fn,
}

impl RewriteBody<'_> {
    pub(crate) fn rewrite(&mut self, stmts: &mut Vec<Stmt>) {
        detached::strip(stmts);
        self.stmts(stmts, BlockKind::Fn);
    }

    /// Rewrites the statements of a block.
    fn stmts(&mut self, stmts: &mut Vec<Stmt>, kind: BlockKind) {
        // The entry has just been checked.
        let mut was_checked = kind == BlockKind::Fn;
        let begins_checked = stmts.first_mut().and_then(stmt_begins_by_macro).is_some();
        let mut rest = mem::take(stmts).into_iter();
        while let Some(mut stmt) = rest.next() {
            let is_last = rest.len() == 0;
            if let Some(attr) = take_attr(&mut stmt, is_shielded) {
                self.shield(&attr, stmt, stmts);
                was_checked = false;
                continue;
            }
            let begins = stmt_begins_by_macro(&mut stmt).filter(|_| self.checks_awaits);
            stmts.extend(begins.filter(|_| !was_checked).map(checkpoint));
            let may_check = match kind {
                _ if !self.checks_awaits => false,
                BlockKind::Fn => !is_last,
                BlockKind::Value => !is_last || has_semi(&stmt),
                // The next round begins with a check.
                BlockKind::Loop => !is_last || !begins_checked,
                BlockKind::Condition => true,
            };
            let place = stmt_leaves_unchecked(&mut stmt).filter(|_| may_check);
            let check = place.map(|place| after(&stmt, checkpoint(place)));
            Node::Stmt(&mut stmt).visit_children(self);
            match &mut stmt {
                Stmt::Expr(expr, semi @ None) if check.is_some() && !is_block_like(expr) => {
                    *semi = Some(Token![;](Span::mixed_site()));
                }
                _ => {}
            }
            was_checked = check.is_some() || ends_in_await(&stmt);
            stmts.push(stmt);
            stmts.extend(check);
        }
    }

    // Input:
    //     #[shielded]
    //     let lease = acquire().await;
    //
    // Output:
    //     let __shield = __cancel_guarded::shield(__start).await;
    //     let lease = acquire().await;
    //     ::core::mem::drop(__shield);
    //
    // Input, where the statement binds nothing:
    //     #[shielded]
    //     acquire().await?;
    //
    // Output:
    //     { let __shield = __cancel_guarded::shield(__start).await; acquire().await?; }
    //
    // The shield is a guard, so that `?`, `return` and `break` end it too.
    fn shield(&mut self, attr: &Attribute, mut stmt: Stmt, out: &mut Vec<Stmt>) {
        let checks_awaits = mem::replace(&mut self.checks_awaits, false);
        Node::Stmt(&mut stmt).visit_children(self);
        self.checks_awaits = checks_awaits;
        if !checks_awaits {
            // Nothing interrupts the body.
            out.push(stmt);
            return;
        }
        let span = Span::mixed_site().located_at(attr.pound_token.span);
        let (runtime, start) = (names::runtime(span), names::start(span));
        let raise = quote_spanned!(span=> let __shield = #runtime::shield(#start).await;);
        // A macro may be a `let`, too.
        let may_bind = match &stmt {
            Stmt::Local(_) => true,
            Stmt::Macro(_) => has_semi(&stmt),
            _ => false,
        };
        if may_bind {
            let lower = quote_spanned!(span=> ::core::mem::drop(__shield));
            let lower = after(&stmt, generated(lower, Some(Token![;](span))));
            out.push(generated(raise, None));
            out.extend([stmt, lower]);
        } else {
            out.push(generated(quote_spanned!(span=> { #raise #stmt }), None));
        }
    }

    // Input:
    //     self.state.store(Phase::Migrating)
    //
    // Output:
    //     __cancel_guarded::Start::store(__start, Phase::Migrating)
    //
    // From its first token to its last the call has the places of the user's, and their hygiene: a
    // suggestion of clippy's that is about the whole call is applied there.
    fn store(&self, expr: &mut Expr) {
        let Expr::MethodCall(call) = expr else { return };
        if !self.state.is_some_and(|state| is_store(call, state)) {
            return;
        }
        let first = span_ends(&*call.receiver).0;
        let (runtime, start) = (names::runtime(first), names::start(first));
        let stored = &call.args;
        let arguments = quote_spanned!(first=> #start, #stored);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(call.paren_token.span.join());
        let attrs = &call.attrs;
        let store = quote_spanned!(first=> #(#attrs)* #runtime::Start::store #arguments);
        *expr = Expr::Verbatim(store);
    }

    // Input:
    //     TcpListener::bind(addr).await
    //
    // Output:
    //     __cancel_guarded::checked(__start, TcpListener::bind(addr)).await
    //
    // The added tokens lie where the operand does, from its first token to its last. So rustc says
    // about the await what it says without the attribute.
    fn checked(&self, await_: &mut ExprAwait) {
        if !self.checks_awaits {
            return;
        }
        let operand = await_.base.to_token_stream();
        let (first, last) = span_ends(&operand);
        let (runtime, start) = (names::runtime(first), names::start(first));
        let operand = match &*await_.base {
            // Rustc would suggest to remove the user's parentheses or braces from an argument.
            Expr::Paren(_) | Expr::Block(_) => {
                let mut group = Group::new(Delimiter::Parenthesis, operand);
                group.set_span(Span::mixed_site().located_at(first));
                group.to_token_stream()
            }
            _ => operand,
        };
        let arguments = quote_spanned!(first=> #start, #operand);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(last);
        let checked = quote_spanned!(first=> #runtime::checked #arguments);
        *await_.base = Expr::Verbatim(checked);
    }

    /// Rewrites the body of a loop. A round that `continue` begins is checked at its beginning.
    fn loop_body(&mut self, body: &mut Block, kind: BlockKind, unchecked_round: Option<Span>) {
        let begins_checked = body.stmts.first_mut().and_then(stmt_begins_by_macro);
        self.stmts(&mut body.stmts, kind);
        self.check_first(body, unchecked_round.filter(|_| begins_checked.is_none()));
    }

    /// Puts a check in front of a block's statements.
    fn check_first(&self, block: &mut Block, place: Option<Span>) {
        if let (Some(place), true) = (place, self.checks_awaits) {
            block.stmts.insert(0, checkpoint(place));
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        let unchecked_round = round_begins_unchecked(expr);
        match expr {
            Expr::Async(_) | Expr::Closure(_) => {}
            Expr::Await(await_) => {
                self.visit_node(Node::Expr(&mut await_.base));
                self.checked(await_);
            }
            Expr::Loop(expr) => {
                self.loop_body(&mut expr.body, BlockKind::Loop, unchecked_round);
            }
            Expr::While(expr) => {
                let place = condition_suspends(&mut expr.cond).or(unchecked_round);
                self.visit_node(Node::Expr(&mut expr.cond));
                self.loop_body(&mut expr.body, BlockKind::Condition, place);
            }
            Expr::ForLoop(expr) => {
                self.visit_node(Node::Expr(&mut expr.expr));
                self.loop_body(&mut expr.body, BlockKind::Condition, unchecked_round);
            }
            Expr::If(expr) => {
                let place = condition_suspends(&mut expr.cond);
                self.visit_node(Node::Expr(&mut expr.cond));
                self.visit_node(Node::Block(&mut expr.then_branch));
                self.check_first(&mut expr.then_branch, place);
                if let Some((_, otherwise)) = &mut expr.else_branch {
                    self.visit_node(Node::Expr(otherwise));
                }
            }
            expr => {
                Node::Expr(expr).visit_children(self);
                self.store(expr);
            }
        }
    }
}

impl Visit for RewriteBody<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Block(block) => self.stmts(&mut block.stmts, BlockKind::Value),
            Node::Expr(expr) => self.expr(expr),
            Node::Const(_) | Node::Item(_) => {}
            node => node.visit_children(self),
        }
    }
}

/// The place of a check after a condition. There is none after a `let`: the bound value may not be
/// `Send`, and would be held across the check.
fn condition_suspends(condition: &mut Expr) -> Option<Span> {
    match condition {
        Expr::Let(_) => None,
        condition => suspends_by_macro(condition),
    }
}

/// Whether an expression is a statement without a semicolon.
fn is_block_like(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Block(_)
            | Expr::Const(_)
            | Expr::ForLoop(_)
            | Expr::If(_)
            | Expr::Loop(_)
            | Expr::Match(_)
            | Expr::Unsafe(_)
            | Expr::While(_)
    )
}

/// Whether the last thing that a statement does is a checked await.
fn ends_in_await(stmt: &Stmt) -> bool {
    let expr = match stmt {
        Stmt::Local(local) => match &local.init {
            Some(init) => &*init.expr,
            None => return false,
        },
        Stmt::Expr(expr, _) => expr,
        _ => return false,
    };
    match expr {
        Expr::Await(_) => true,
        Expr::Try(question) => matches!(*question.expr, Expr::Await(_)),
        _ => false,
    }
}

// Output:
//     __cancel_guarded::checkpoint(__start).await;
fn checkpoint(span: Span) -> Stmt {
    let span = Span::mixed_site().located_at(span);
    let (runtime, start) = (names::runtime(span), names::start(span));
    let check = quote_spanned!(span=> #runtime::checkpoint(#start).await);
    generated(check, Some(Token![;](span)))
}

/// A generated statement that follows one of the user's. It cannot be reached where every arm of a
/// macro leaves the function, and then rustc would warn of it. The `allow` is left out where it can
/// be: it is an error where the user forbids the lint.
fn after(stmt: &Stmt, generated_stmt: Stmt) -> Stmt {
    const DIVERGING: [&str; 10] = [
        "return",
        "break",
        "continue",
        "loop",
        "panic",
        "unreachable",
        "todo",
        "unimplemented",
        "bail",
        "exit",
    ];
    let tokens = stmt.to_token_stream();
    let may_diverge = DIVERGING
        .iter()
        .any(|word| find_ident(tokens.clone(), word).is_some());
    if !may_diverge {
        return generated_stmt;
    }
    let span = Span::mixed_site();
    generated(
        quote_spanned!(span=> #[allow(unreachable_code)] #generated_stmt),
        None,
    )
}

fn generated(tokens: TokenStream, semi: Option<Token![;]>) -> Stmt {
    Stmt::Expr(Expr::Verbatim(tokens), semi)
}
