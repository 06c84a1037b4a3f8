//! Rewrites the user's body: checks at awaits, stores, `#[shielded]`.
//!
//! This changes no type, no temporary's lifetime and no borrow. Nested closures, async blocks, items
//! and the input of macros stay as they are written.

use std::mem;

use proc_macro2::{Delimiter, Group, Span};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, Block, Expr, ExprAwait, ExprMethodCall, Stmt, Token};

use super::suspends::{round_begins_unchecked, stmt_leaves_unchecked, suspends_by_macro};
use super::{detached, names};
use crate::syntax::{has_semi, is_shielded, is_store, span_ends, take_attr};
use crate::visit::{Node, Visit};

/// Rewrites a body, in place.
pub(crate) struct RewriteBody<'a> {
    /// The cell of `state =`.
    pub(crate) state: Option<&'a Expr>,
    /// Whether the awaits of the body are checked.
    pub(crate) checks_awaits: bool,
}

/// What follows the last statement of a block.
#[derive(Clone, Copy, PartialEq)]
enum BlockKind {
    /// The block's value, or the statement that contains the block.
    Value,
    /// The next round of a loop.
    Loop,
    /// The end of the function, which is checked anyway.
    Fn,
}

impl RewriteBody<'_> {
    pub(crate) fn rewrite(&mut self, stmts: &mut Vec<Stmt>) {
        detached::strip(stmts);
        // The entry has just been checked.
        self.stmts(stmts, BlockKind::Fn, true);
    }

    /// Rewrites the statements of a block. `was_checked`: no code of the user's has run since the
    /// last check.
    fn stmts(&mut self, stmts: &mut Vec<Stmt>, kind: BlockKind, mut was_checked: bool) {
        let mut rest = mem::take(stmts).into_iter();
        while let Some(mut stmt) = rest.next() {
            let is_last = rest.len() == 0;
            if let Some(attr) = take_attr(&mut stmt, is_shielded) {
                self.shield(&attr, stmt, stmts);
                was_checked = false;
                continue;
            }
            if let (Stmt::Expr(Expr::Await(await_), Some(_)), true, false) =
                (&stmt, self.checks_awaits, was_checked)
            {
                stmts.push(checkpoint(span_ends(await_).0));
            }
            let may_check = match kind {
                _ if !self.checks_awaits => false,
                BlockKind::Fn => !is_last,
                BlockKind::Value => !is_last || has_semi(&stmt),
                BlockKind::Loop => true,
            };
            let check = self.stmt(&mut stmt).filter(|_| may_check).map(checkpoint);
            if let (Some(_), Stmt::Expr(_, semi @ None)) = (&check, &mut stmt) {
                *semi = Some(Token![;](Span::mixed_site()));
            }
            was_checked = check.is_some() || ends_in_await(&stmt);
            stmts.push(stmt);
            stmts.extend(check);
        }
    }

    /// Rewrites one statement. Returns the place of a check to put after it, if it needs one.
    fn stmt(&mut self, stmt: &mut Stmt) -> Option<Span> {
        match stmt {
            // Not wrapped, so that rustc still sees that a `#[must_use]` value is dropped.
            Stmt::Expr(Expr::Await(await_), Some(_)) => {
                self.visit_node(Node::Expr(&mut await_.base));
                Some(await_.await_token.span)
            }
            stmt => {
                let place = stmt_leaves_unchecked(stmt);
                Node::Stmt(stmt).visit_children(self);
                place
            }
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
    // Input, where the value of the statement is that of the block around it:
    //     #[shielded]
    //     { acquire().await }
    //
    // Output:
    //     { let __shield = __cancel_guarded::shield(__start).await; { acquire().await } }
    //
    // The shield is a guard, so that `?`, `return` and `break` end it too.
    fn shield(&mut self, attr: &Attribute, mut stmt: Stmt, out: &mut Vec<Stmt>) {
        if !self.checks_awaits {
            // Nothing interrupts the body.
            out.push(stmt);
            return;
        }
        self.checks_awaits = false;
        Node::Stmt(&mut stmt).visit_children(self);
        self.checks_awaits = true;

        let span = Span::mixed_site().located_at(attr.pound_token.span);
        let (runtime, start) = (names::runtime(span), names::start(span));
        let raise = quote_spanned!(span=> let __shield = #runtime::shield(#start).await;);
        if has_semi(&stmt) {
            out.push(Stmt::Expr(Expr::Verbatim(raise), None));
            out.push(stmt);
            let lower =
                quote_spanned!(span=> #[allow(unreachable_code)] ::core::mem::drop(__shield));
            out.push(Stmt::Expr(Expr::Verbatim(lower), Some(Token![;](span))));
        } else {
            let block = quote_spanned!(span=> { #raise #stmt });
            out.push(Stmt::Expr(Expr::Verbatim(block), None));
        }
    }

    // Input:
    //     self.state.store(Phase::Migrating)
    //
    // Output:
    //     __start.store(Phase::Migrating)
    //
    // All of the call but its argument is generated code to rustc and clippy, at the place of the
    // user's tokens. So neither suggests to change it.
    fn store(&self, call: &mut ExprMethodCall) {
        if !self.state.is_some_and(|state| is_store(call, state)) {
            return;
        }
        let generated = |span: Span| Span::mixed_site().located_at(span);
        let (first, _) = span_ends(&*call.receiver);
        *call.receiver = Expr::Verbatim(names::start(first).into_token_stream());
        call.dot_token.span = generated(call.dot_token.span);
        call.method.set_span(generated(call.method.span()));
        let mut parens = Group::new(Delimiter::Parenthesis, proc_macro2::TokenStream::new());
        parens.set_span(generated(call.paren_token.span.close()));
        call.paren_token.span = parens.delim_span();
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
        let operand = &await_.base;
        let (first, last) = span_ends(operand);
        let (runtime, start) = (names::runtime(first), names::start(first));
        let operand = match &**operand {
            // Rustc would suggest to remove the user's parentheses or braces from an argument.
            Expr::Paren(_) | Expr::Block(_) => {
                let mut group = Group::new(Delimiter::Parenthesis, operand.to_token_stream());
                group.set_span(Span::mixed_site().located_at(first));
                group.to_token_stream()
            }
            operand => operand.to_token_stream(),
        };
        let arguments = quote_spanned!(first=> #start, #operand);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(last);
        let checked = quote_spanned!(first=> #runtime::checked #arguments);
        *await_.base = Expr::Verbatim(checked);
    }

    /// Rewrites the body of a loop. A round that `continue` begins is checked at its beginning.
    fn loop_body(&mut self, body: &mut Block, unchecked_round: Option<Span>) {
        self.stmts(&mut body.stmts, BlockKind::Loop, false);
        self.check_first(body, unchecked_round);
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
            Expr::Loop(expr) => self.loop_body(&mut expr.body, unchecked_round),
            Expr::While(expr) => {
                let place = condition_suspends(&mut expr.cond).or(unchecked_round);
                self.visit_node(Node::Expr(&mut expr.cond));
                self.loop_body(&mut expr.body, place);
            }
            Expr::ForLoop(expr) => {
                self.visit_node(Node::Expr(&mut expr.expr));
                self.loop_body(&mut expr.body, unchecked_round);
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
                if let Expr::MethodCall(call) = expr {
                    self.store(call);
                }
            }
        }
    }
}

impl Visit for RewriteBody<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Block(block) => self.stmts(&mut block.stmts, BlockKind::Value, false),
            Node::Expr(expr) => self.expr(expr),
            Node::Const(_) | Node::Item(_) => {}
            node => node.visit_children(self),
        }
    }
}

/// The place of a check behind a condition. There is none behind a `let`: what it binds may not be
/// `Send`, and would be held across the check.
fn condition_suspends(condition: &mut Expr) -> Option<Span> {
    match condition {
        Expr::Let(_) => None,
        condition => suspends_by_macro(condition),
    }
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
    let check =
        quote_spanned!(span=> #[allow(unreachable_code)] #runtime::checkpoint(#start).await);
    Stmt::Expr(Expr::Verbatim(check), Some(Token![;](span)))
}
