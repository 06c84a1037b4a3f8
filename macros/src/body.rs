//! The rewriting of the user's body: re-checks behind awaits, stores, `#[shielded]`.
//!
//! Nothing here changes a type, a temporary's life or a borrow, and nested closures, async blocks,
//! items and the input of macros stay as they are written.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Expr, ExprAwait, ExprMethodCall, Local, Macro, Stmt, Token};

use crate::args::Runtime;
use crate::guarded_fn::ends_in;
use crate::walk::{Node, Walk};

/// Rewrites a body, in place.
pub(crate) struct Rewrite<'a> {
    pub(crate) runtime: &'a Runtime,
    /// The cell of `state =`.
    pub(crate) state: Option<&'a Expr>,
    /// Whether the awaits at hand run to their end, unchecked.
    pub(crate) shielded: bool,
}

/// What comes behind the last statement of a block.
#[derive(Clone, Copy)]
enum End {
    /// The value of the block, or whatever follows the block.
    Value,
    /// The next round of a loop.
    Round,
    /// The end of the start, which is checked anyway.
    Start,
}

/// The variable that holds the attempt, at the place of this span. Users can neither see nor
/// shadow it.
pub(crate) fn attempt(span: Span) -> Ident {
    Ident::new("__attempt", Span::mixed_site().located_at(span))
}

impl Rewrite<'_> {
    pub(crate) fn body(&mut self, stmts: &mut Vec<Stmt>) {
        self.stmts(stmts, End::Start);
    }

    fn stmts(&mut self, stmts: &mut Vec<Stmt>, end: End) {
        let mut rest = mem::take(stmts).into_iter();
        while let Some(mut stmt) = rest.next() {
            let is_last = rest.len() == 0;
            if let Some(attr) = take_shielded(&mut stmt) {
                self.shield(&attr, stmt, stmts);
                continue;
            }
            let is_checked = match end {
                _ if self.shielded => false,
                End::Start => !is_last,
                End::Value => !is_last || has_semi(&stmt),
                End::Round => true,
            };
            let place = self.stmt(&mut stmt).filter(|_| is_checked);
            let check = place.map(|place| checkpoint(self.runtime, place));
            if let (Some(_), Stmt::Expr(_, semi @ None)) = (&check, &mut stmt) {
                *semi = Some(Token![;](Span::mixed_site()));
            }
            stmts.push(stmt);
            stmts.extend(check);
        }
    }

    /// Rewrites one statement. One that waits as a whole is to be followed by a check, at the
    /// place that it returns.
    fn stmt(&mut self, stmt: &mut Stmt) -> Option<Span> {
        match stmt {
            Stmt::Expr(Expr::Await(await_), Some(_)) => {
                self.at(Node::Expr(&mut await_.base));
                Some(await_.await_token.span)
            }
            stmt => {
                Node::Stmt(stmt).inside(self);
                waiting_macro(stmt).and_then(|mac| mac.path.segments.last().map(|s| s.ident.span()))
            }
        }
    }

    // Input:
    //     #[shielded]
    //     let lease = acquire().await;
    //
    // Output:
    //     let __shield = __attempt.shield();
    //     let lease = acquire().await;
    //     #[allow(unreachable_code)]
    //     ::core::mem::drop(__shield);
    //
    // Input, where the value of the statement is that of the block around it:
    //     #[shielded]
    //     { acquire().await }
    //
    // Output:
    //     { let __shield = __attempt.shield(); { acquire().await } }
    //
    // The shield is a guard, so that `?`, `return` and `break` end it too.
    fn shield(&mut self, attr: &Attribute, mut stmt: Stmt, out: &mut Vec<Stmt>) {
        let outside = mem::replace(&mut self.shielded, true);
        Node::Stmt(&mut stmt).inside(self);
        self.shielded = outside;

        let span = Span::mixed_site().located_at(attr.pound_token.span);
        let attempt = attempt(span);
        let raise = quote_spanned!(span=> let __shield = #attempt.shield(););
        if has_semi(&stmt) {
            out.push(verbatim(raise, None));
            out.push(stmt);
            let lower =
                quote_spanned!(span=> #[allow(unreachable_code)] ::core::mem::drop(__shield));
            out.push(verbatim(lower, Some(Token![;](span))));
        } else {
            out.push(verbatim(quote_spanned!(span=> { #raise #stmt }), None));
        }
    }

    // Input:
    //     self.state.store(Lifecycle::Running)
    //
    // Output:
    //     __attempt.store(Lifecycle::Running)
    fn store(&self, call: &mut ExprMethodCall) {
        if self.state.is_some_and(|state| is_store(call, state)) {
            let span = ends(&*call.receiver).0;
            *call.receiver = Expr::Verbatim(attempt(span).into_token_stream());
        }
    }

    // Input:
    //     TcpListener::bind(addr).await
    //
    // Output:
    //     ::cancel_guarded::__private::watch(__attempt, TcpListener::bind(addr)).await
    //
    // Every token that is added lies where the operand does, from its first token to its last.
    // So rustc says about the await what it says without the attribute.
    fn watch(&self, await_: &mut ExprAwait) {
        if self.shielded {
            return;
        }
        let operand = &await_.base;
        let (first, last) = ends(operand);
        let private = self.runtime.private(first);
        let attempt = attempt(first);
        let operand = match &**operand {
            // An argument of the user's own in parentheses or braces would be told to have none.
            Expr::Paren(_) | Expr::Block(_) => {
                let mut group = Group::new(Delimiter::Parenthesis, operand.to_token_stream());
                group.set_span(Span::mixed_site().located_at(first));
                group.to_token_stream()
            }
            operand => operand.to_token_stream(),
        };
        let arguments = quote_spanned!(first=> #attempt, #operand);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(last);
        let watch = quote_spanned!(first=> #private::watch #arguments);
        *await_.base = Expr::Verbatim(watch);
    }

    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Async(_) | Expr::Closure(_) => {}
            Expr::Await(await_) => {
                self.at(Node::Expr(&mut await_.base));
                self.watch(await_);
            }
            Expr::Loop(expr) => self.stmts(&mut expr.body.stmts, End::Round),
            Expr::While(expr) => {
                self.at(Node::Expr(&mut expr.cond));
                self.stmts(&mut expr.body.stmts, End::Round);
            }
            Expr::ForLoop(expr) => {
                self.at(Node::Expr(&mut expr.expr));
                self.stmts(&mut expr.body.stmts, End::Round);
            }
            expr => {
                Node::Expr(expr).inside(self);
                if let Expr::MethodCall(call) = expr {
                    self.store(call);
                }
            }
        }
    }
}

impl Walk for Rewrite<'_> {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::Block(block) => self.stmts(&mut block.stmts, End::Value),
            Node::Expr(expr) => self.expr(expr),
            Node::Const(_) | Node::Item(_) => {}
            node => node.inside(self),
        }
    }
}

// Input:
//     sleep(second).await;
//
// Output:
//     sleep(second).await;
//     ::cancel_guarded::__private::checkpoint(__attempt).await;
//
// The await stays as it is, so that rustc still sees a `#[must_use]` thrown away.
fn checkpoint(runtime: &Runtime, span: Span) -> Stmt {
    let span = Span::mixed_site().located_at(span);
    let private = runtime.private(span);
    let attempt = attempt(span);
    let check =
        quote_spanned!(span=> #[allow(unreachable_code)] #private::checkpoint(#attempt).await);
    verbatim(check, Some(Token![;](span)))
}

fn verbatim(tokens: TokenStream, semi: Option<Token![;]>) -> Stmt {
    Stmt::Expr(Expr::Verbatim(tokens), semi)
}

fn has_semi(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Expr(_, semi) => semi.is_some(),
        Stmt::Macro(stmt) => stmt.semi_token.is_some(),
        Stmt::Local(_) | Stmt::Item(_) => true,
    }
}

/// The `select!`, `join!` or `try_join!` that a statement or the initialiser of a `let` is,
/// with or without a `?`.
fn waiting_macro(stmt: &Stmt) -> Option<&Macro> {
    let expr = match stmt {
        Stmt::Macro(stmt) => return waits(&stmt.mac).then_some(&stmt.mac),
        Stmt::Expr(expr, _) => expr,
        Stmt::Local(Local { init, .. }) => &init.as_ref()?.expr,
        Stmt::Item(_) => return None,
    };
    let expr = match expr {
        Expr::Try(question) => &question.expr,
        expr => expr,
    };
    match expr {
        Expr::Macro(expr) if waits(&expr.mac) => Some(&expr.mac),
        _ => None,
    }
}

/// Whether a macro waits for the futures in its input.
pub(crate) fn waits(mac: &Macro) -> bool {
    ["select", "select_biased", "join", "try_join"]
        .iter()
        .any(|name| ends_in(&mac.path, name))
}

/// Whether a call is `STATE.store(..)`, with STATE spelled as in `state =`.
pub(crate) fn is_store(call: &ExprMethodCall, state: &Expr) -> bool {
    call.method == "store" && call.args.len() == 1 && is_same_place(&call.receiver, state)
}

/// Whether a call is `STATE.store(.., ORDERING)`, as of an atomic.
pub(crate) fn is_atomic_store(call: &ExprMethodCall, state: &Expr) -> bool {
    call.method == "store" && call.args.len() == 2 && is_same_place(&call.receiver, state)
}

/// Whether two expressions spell the same place: parentheses and borrows aside, and `__self` for
/// `self`, which is how `async_trait` spells it.
pub(crate) fn is_same_place(a: &Expr, b: &Expr) -> bool {
    spelling(a) == spelling(b)
}

fn spelling(expr: &Expr) -> Vec<String> {
    fn spell(tokens: TokenStream, words: &mut Vec<String>) {
        for tree in tokens {
            match tree {
                TokenTree::Group(group) => {
                    let delimiter = group.delimiter();
                    words.extend((delimiter != Delimiter::None).then(|| format!("{delimiter:?}")));
                    spell(group.stream(), words);
                    words.extend((delimiter != Delimiter::None).then(|| "end".to_owned()));
                }
                TokenTree::Ident(ident) if ident == "__self" => words.push("self".to_owned()),
                tree => words.push(tree.to_string()),
            }
        }
    }
    let place = match expr {
        Expr::Group(group) => return spelling(&group.expr),
        Expr::Paren(paren) => return spelling(&paren.expr),
        Expr::Reference(reference) => return spelling(&reference.expr),
        place => place,
    };
    let mut words = Vec::new();
    spell(place.to_token_stream(), &mut words);
    words
}

/// The attributes of a statement as its author sees it. Of `#[shielded] self.c = f().await;` the
/// parser gives them to `self.c`.
fn attrs_mut(stmt: &mut Stmt) -> Option<&mut Vec<Attribute>> {
    fn of_expr(expr: &mut Expr) -> Option<&mut Vec<Attribute>> {
        Some(match expr {
            Expr::Assign(expr) => return of_expr(&mut expr.left),
            Expr::Binary(expr) => return of_expr(&mut expr.left),
            Expr::Cast(expr) => return of_expr(&mut expr.expr),
            Expr::Array(expr) => &mut expr.attrs,
            Expr::Async(expr) => &mut expr.attrs,
            Expr::Await(expr) => &mut expr.attrs,
            Expr::Block(expr) => &mut expr.attrs,
            Expr::Break(expr) => &mut expr.attrs,
            Expr::Call(expr) => &mut expr.attrs,
            Expr::Closure(expr) => &mut expr.attrs,
            Expr::Const(expr) => &mut expr.attrs,
            Expr::Continue(expr) => &mut expr.attrs,
            Expr::Field(expr) => &mut expr.attrs,
            Expr::ForLoop(expr) => &mut expr.attrs,
            Expr::Group(expr) => &mut expr.attrs,
            Expr::If(expr) => &mut expr.attrs,
            Expr::Index(expr) => &mut expr.attrs,
            Expr::Lit(expr) => &mut expr.attrs,
            Expr::Loop(expr) => &mut expr.attrs,
            Expr::Macro(expr) => &mut expr.attrs,
            Expr::Match(expr) => &mut expr.attrs,
            Expr::MethodCall(expr) => &mut expr.attrs,
            Expr::Paren(expr) => &mut expr.attrs,
            Expr::Path(expr) => &mut expr.attrs,
            Expr::Range(expr) => &mut expr.attrs,
            Expr::Reference(expr) => &mut expr.attrs,
            Expr::Repeat(expr) => &mut expr.attrs,
            Expr::Return(expr) => &mut expr.attrs,
            Expr::Struct(expr) => &mut expr.attrs,
            Expr::Try(expr) => &mut expr.attrs,
            Expr::Tuple(expr) => &mut expr.attrs,
            Expr::Unary(expr) => &mut expr.attrs,
            Expr::Unsafe(expr) => &mut expr.attrs,
            Expr::While(expr) => &mut expr.attrs,
            _ => return None,
        })
    }
    match stmt {
        Stmt::Local(local) => Some(&mut local.attrs),
        Stmt::Macro(stmt) => Some(&mut stmt.attrs),
        Stmt::Expr(expr, _) => of_expr(expr),
        Stmt::Item(_) => None,
    }
}

/// Takes a `#[shielded]` off a statement.
pub(crate) fn take_shielded(stmt: &mut Stmt) -> Option<Attribute> {
    let attrs = attrs_mut(stmt)?;
    let position = attrs.iter().position(is_shielded)?;
    Some(attrs.remove(position))
}

/// Gives a statement its `#[shielded]` back.
pub(crate) fn put_shielded(stmt: &mut Stmt, attr: Attribute) {
    if let Some(attrs) = attrs_mut(stmt) {
        attrs.insert(0, attr);
    }
}

pub(crate) fn is_shielded(attr: &Attribute) -> bool {
    attr.path().is_ident("shielded")
}

/// The places of the first and the last token: what lies between them is the whole.
pub(crate) fn ends(tokens: &dyn ToTokens) -> (Span, Span) {
    let trees: Vec<TokenTree> = tokens.to_token_stream().into_iter().collect();
    let first = trees
        .first()
        .map_or_else(Span::mixed_site, |tree| ends_of(tree).0);
    let last = trees.last().map_or(first, |tree| ends_of(tree).1);
    (first, last)
}

/// An invisible group, in which a `$operand:expr` of a macro comes, has no place of its own.
fn ends_of(tree: &TokenTree) -> (Span, Span) {
    match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => ends(&group.stream()),
        tree => (tree.span(), tree.span()),
    }
}

/// A body that no guard is around, tidied so that an error about the attribute stays the only one.
///
/// What only a guard understands goes: `#[shielded]`, and the stores, which do not compile
/// outside.
pub(crate) struct Tidy {
    pub(crate) state: Option<Expr>,
    /// Whether there is a `state =`, but what it says could not be read.
    pub(crate) state_is_unread: bool,
}

impl Tidy {
    fn is_store(&self, call: &ExprMethodCall) -> bool {
        match &self.state {
            Some(state) => is_store(call, state) || is_atomic_store(call, state),
            None => self.state_is_unread && call.method == "store" && call.args.len() == 1,
        }
    }
}

impl Walk for Tidy {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::Attributes(attrs) => attrs.retain(|attr| !is_shielded(attr)),
            Node::Expr(expr) => self.expr(expr),
            node => node.inside(self),
        }
    }
}

impl Tidy {
    // Input:
    //     self.state.store(Lifecycle::Running)
    //
    // Output:
    //     ::core::mem::drop((&self.state, Lifecycle::Running))
    fn expr(&mut self, expr: &mut Expr) {
        Node::Expr(expr).inside(self);
        if let Expr::MethodCall(call) = expr {
            if self.is_store(call) {
                let ExprMethodCall { receiver, args, .. } = call;
                *expr = Expr::Verbatim(quote!(::core::mem::drop((&#receiver, #args))));
            }
        }
    }
}
