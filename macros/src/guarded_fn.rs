//! The function as understood: what makes its future, and where in it the user's body is.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::buffer::Cursor;
use syn::parse::{Parse, ParseStream, Parser as _, StepCursor};
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprBlock, Pat, Path, ReturnType, Signature, Stmt, Token,
    Type, TypeInfer, TypeTuple, Visibility, token,
};

use crate::walk::{Node, Walk};

/// A function as it was written. Of its body no more than the braces need to be readable: a
/// half-typed line in it must reach rustc, who explains it best.
pub(crate) struct Source {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) block: SourceBlock,
}

pub(crate) enum SourceBlock {
    /// A method that a trait declares and leaves to its implementors.
    Missing(Token![;]),
    Present {
        brace: token::Brace,
        inner_attrs: Vec<Attribute>,
        body: Body,
    },
}

pub(crate) enum Body {
    Read(Vec<Stmt>),
    /// The block itself, as it came. In new braces, rustc would find its syntax errors anew.
    Unread(Group),
}

/// A function that a guard can be put into.
pub(crate) struct GuardedFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) brace: token::Brace,
    pub(crate) form: Form,
    /// What other macros have put around the user's body, with a hole where it was.
    pub(crate) scaffold: Vec<Stmt>,
    /// The user's own body.
    pub(crate) body: Body,
    /// The braces of the block whose statements `scaffold` and `body` are.
    pub(crate) body_brace: token::Brace,
}

/// What makes the future of the start.
pub(crate) enum Form {
    /// `async fn`
    Async,
    /// A last expression `async { .. }` or `Box::pin(async { .. })`, here without its
    /// statements. Those before it run at the call.
    Tail {
        prologue: Vec<Stmt>,
        tail: Box<Expr>,
    },
}

/// Why a function has no place for a guard.
pub(crate) enum Unguardable {
    /// It has no body.
    Bodiless(Token![;]),
    /// It makes no future.
    Sync,
    /// Whether it makes one cannot be told, for its body does not parse.
    Unread,
}

impl Parse for Source {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            block: input.parse()?,
        })
    }
}

impl Parse for SourceBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![;]) {
            return Ok(Self::Missing(input.parse()?));
        }
        if !input.peek(token::Brace) {
            return Err(input.error("expected the body of the function"));
        }
        let block = bare(input.step(any_group)?);
        let read = |content: ParseStream<'_>| {
            let inner_attrs = content.call(Attribute::parse_inner)?;
            Ok((inner_attrs, Block::parse_within(content)?))
        };
        let (inner_attrs, body) = match read.parse2(block.stream()) {
            Ok((inner_attrs, stmts)) => (inner_attrs, Body::Read(stmts)),
            Err(_) => (Vec::new(), Body::Unread(block.clone())),
        };
        Ok(Self::Present {
            brace: token::Brace {
                span: block.delim_span(),
            },
            inner_attrs,
            body,
        })
    }
}

/// A group without the invisible ones around it, in which a `$body:block` of a macro comes.
fn bare(group: Group) -> Group {
    if group.delimiter() != Delimiter::None {
        return group;
    }
    match group.stream().into_iter().next() {
        Some(TokenTree::Group(inner)) => bare(inner),
        _ => group,
    }
}

fn any_group<'c>(cursor: StepCursor<'c, '_>) -> syn::Result<(Group, Cursor<'c>)> {
    match cursor.token_tree() {
        Some((TokenTree::Group(group), rest)) => Ok((group, rest)),
        _ => Err(cursor.error("expected the body of the function")),
    }
}

impl ToTokens for Source {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        match &self.block {
            SourceBlock::Missing(semi) => semi.to_tokens(tokens),
            SourceBlock::Present {
                brace,
                inner_attrs,
                body,
            } => match body {
                Body::Read(stmts) => brace.surround(tokens, |tokens| {
                    tokens.append_all(inner_attrs);
                    tokens.append_all(stmts);
                }),
                Body::Unread(block) => block.to_tokens(tokens),
            },
        }
    }
}

impl ToTokens for Body {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Read(stmts) => tokens.append_all(stmts),
            Self::Unread(unread) => unread.to_tokens(tokens),
        }
    }
}

impl GuardedFn {
    pub(crate) fn understand(source: Source) -> Result<Self, Unguardable> {
        let Source {
            attrs,
            vis,
            sig,
            block,
        } = source;
        let (brace, inner_attrs, body) = match block {
            SourceBlock::Missing(semi) => return Err(Unguardable::Bodiless(semi)),
            SourceBlock::Present {
                brace,
                inner_attrs,
                body,
            } => (brace, inner_attrs, body),
        };
        let is_async = sig.asyncness.is_some();
        let (form, body_brace, scaffold, body) = match body {
            Body::Unread(_) if !is_async => return Err(Unguardable::Unread),
            Body::Unread(_) => (Form::Async, brace, Vec::new(), body),
            Body::Read(stmts) => {
                let (form, body_brace, mut scaffold) = if is_async {
                    (Form::Async, brace, stmts)
                } else {
                    split_tail(stmts).ok_or(Unguardable::Sync)?
                };
                let own = with_user_block(&mut scaffold, &mut mem::take);
                (form, body_brace, scaffold, Body::Read(own))
            }
        };
        Ok(Self {
            attrs,
            vis,
            sig,
            inner_attrs,
            brace,
            form,
            scaffold,
            body,
            body_brace,
        })
    }

    /// The statements of the user's own body, as far as they could be read.
    pub(crate) fn user_stmts(&mut self) -> &mut [Stmt] {
        match &mut self.body {
            Body::Read(stmts) => stmts,
            Body::Unread(_) => &mut [],
        }
    }

    /// Whether the user's body mentions this variable, also where only a macro reads it.
    pub(crate) fn names(&self, variable: &Ident) -> bool {
        mentions(self.body.to_token_stream(), variable)
    }

    /// Whether anything in the function's block mentions this variable, be it of the user's or of
    /// another macro's.
    pub(crate) fn uses(&self, variable: &Ident) -> bool {
        let mut scaffold = TokenStream::new();
        scaffold.append_all(&self.scaffold);
        mentions(scaffold, variable) || self.names(variable)
    }

    /// Whether a statement that runs at the call mentions this parameter.
    pub(crate) fn uses_at_call(&self, variable: &Ident) -> bool {
        let mut prologue = TokenStream::new();
        if let Form::Tail {
            prologue: stmts, ..
        } = &self.form
        {
            prologue.append_all(stmts);
        }
        mentions(prologue, variable)
    }

    /// Whether a statement that runs at the call gives this parameter's name to another value.
    pub(crate) fn shadows(&self, variable: &Ident) -> bool {
        let Form::Tail { prologue, .. } = &self.form else {
            return false;
        };
        let mut binds = Binds {
            name: variable,
            found: false,
        };
        for stmt in prologue {
            if let Stmt::Local(local) = stmt {
                binds.at(Node::Pat(&mut local.pat.clone()));
            }
        }
        binds.found
    }

    /// What the future yields, fit for a place inside the body: `impl Trait` is inferred there,
    /// and so is the whole of it where the signature does not say it.
    pub(crate) fn output(&self) -> Type {
        let mut output = match (&self.form, &self.sig.output) {
            (Form::Async, ReturnType::Type(_, ty)) => Type::clone(ty),
            (Form::Async, ReturnType::Default) => Type::Tuple(TypeTuple {
                attrs: Vec::new(),
                paren_token: token::Paren(self.sig.paren_token.span.close()),
                elems: syn::punctuated::Punctuated::new(),
            }),
            (Form::Tail { .. }, returns) => {
                let mut output = FutureOutput(None);
                if let ReturnType::Type(_, ty) = returns {
                    output.at(Node::Type(&mut ty.clone()));
                }
                output.0.unwrap_or_else(|| infer(self.sig.ident.span()))
            }
        };
        EraseImplTrait.at(Node::Type(&mut output));
        output
    }
}

fn infer(span: Span) -> Type {
    Type::Infer(TypeInfer {
        attrs: Vec::new(),
        underscore_token: Token![_](span),
    })
}

/// Finds the `T` of `Output = T`.
struct FutureOutput(Option<Type>);

impl Walk for FutureOutput {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::AssocType(assoc) => {
                if assoc.ident == "Output" {
                    self.0.get_or_insert_with(|| assoc.ty.clone());
                }
            }
            node => node.inside(self),
        }
    }
}

struct EraseImplTrait;

impl Walk for EraseImplTrait {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::Type(ty @ Type::ImplTrait(_)) => {
                if let Type::ImplTrait(opaque) = ty {
                    *ty = infer(opaque.impl_token.span);
                }
            }
            node => node.inside(self),
        }
    }
}

struct Binds<'a> {
    name: &'a Ident,
    found: bool,
}

impl Walk for Binds<'_> {
    fn at(&mut self, node: Node<'_>) {
        if let Node::PatIdent(pat) = &node {
            self.found |= pat.ident == *self.name;
        }
        node.inside(self);
    }
}

/// The last expression of a function that is not `async`, split from the statements before it and
/// from the statements inside it.
fn split_tail(mut stmts: Vec<Stmt>) -> Option<(Form, token::Brace, Vec<Stmt>)> {
    let Some(Stmt::Expr(mut tail, None)) = stmts.pop() else {
        return None;
    };
    let block = &mut async_tail(&mut tail)?.block;
    let brace = block.brace_token;
    let body = mem::take(&mut block.stmts);
    let form = Form::Tail {
        prologue: stmts,
        tail: Box::new(tail),
    };
    Some((form, brace, body))
}

/// The async block that an expression is, or that it pins: `async { .. }`,
/// `Box::pin(async { .. })`.
pub(crate) fn async_tail(expr: &mut Expr) -> Option<&mut ExprAsync> {
    match expr {
        Expr::Async(block) => Some(block),
        Expr::Group(group) => async_tail(&mut group.expr),
        Expr::Paren(paren) => async_tail(&mut paren.expr),
        Expr::Call(call) if call.args.len() == 1 && is_box_pin(&call.func) => {
            async_tail(call.args.first_mut()?)
        }
        _ => None,
    }
}

fn is_box_pin(callee: &Expr) -> bool {
    let Expr::Path(path) = callee else {
        return false;
    };
    let mut last_two = path.path.segments.iter().rev();
    last_two.next().is_some_and(|last| last.ident == "pin")
        && last_two.next().is_some_and(|first| first.ident == "Box")
}

/// What to do at the user's block. An inner block cannot be handed out: the borrow checker would
/// hold the outer one for the case that there is none.
type AtBlock<'a, R> = &'a mut dyn FnMut(&mut Vec<Stmt>) -> R;

/// Goes through what other macros have put around the user's body, and does `f` there.
pub(crate) fn with_user_block<R>(stmts: &mut Vec<Stmt>, f: AtBlock<'_, R>) -> R {
    if let Some(instrumented) = stmts.iter_mut().find_map(instrumented) {
        return with_awaited_block(instrumented, f);
    }
    with_returned_block(stmts, f)
}

// Input, from `#[instrument]` above:
//     let __tracing_attr_span = ..;
//     let __tracing_instrument_future = async move { BODY };
//     if !__tracing_attr_span.is_disabled() { .. } else { .. }
//
// Goes to:
//     BODY
fn instrumented(stmt: &mut Stmt) -> Option<&mut Vec<Stmt>> {
    match initialiser(stmt, "__tracing_instrument_future")? {
        Expr::Async(future) => Some(&mut future.block.stmts),
        _ => None,
    }
}

// Input, from `#[instrument(err)]` or `#[instrument(ret)]`:
//     match async move { BODY }.await { .. }
//     let x = async move { BODY }.await; ..
//
// Goes to:
//     BODY
fn with_awaited_block<R>(stmts: &mut Vec<Stmt>, f: AtBlock<'_, R>) -> R {
    let awaited = match stmts.first_mut() {
        Some(Stmt::Expr(Expr::Match(scrutiny), None)) => Some(&mut scrutiny.expr),
        Some(Stmt::Local(local)) => local.init.as_mut().map(|init| &mut init.expr),
        _ => None,
    };
    if let Some(Expr::Await(awaited)) = awaited.map(|expr| &mut **expr) {
        if let Expr::Async(block) = &mut *awaited.base {
            return with_inferred_block(&mut block.block.stmts, f);
        }
    }
    with_inferred_block(stmts, f)
}

// Input, from `#[instrument]` on an `async fn`:
//     if false { let __tracing_attr_fake_return: R = loop {}; return __tracing_attr_fake_return; }
//     { BODY }
//
// Goes to:
//     BODY
fn with_inferred_block<R>(stmts: &mut Vec<Stmt>, f: AtBlock<'_, R>) -> R {
    let is_hint = |stmt: &Stmt| match stmt {
        Stmt::Expr(Expr::If(hint), _) => hint
            .then_branch
            .stmts
            .first()
            .and_then(bound_name)
            .is_some_and(|name| name == "__tracing_attr_fake_return"),
        _ => false,
    };
    if let [hint, Stmt::Expr(Expr::Block(ExprBlock { block, .. }), None)] = stmts.as_mut_slice() {
        if is_hint(hint) {
            return with_returned_block(&mut block.stmts, f);
        }
    }
    with_returned_block(stmts, f)
}

// Input, from `#[async_trait]`:
//     if let Some(__ret) = None::<R> { return __ret; }
//     let __self = self;
//     let shutdown = shutdown;
//     let __ret: R = { BODY };
//     __ret
//
// or, where nothing is returned:
//     let __self = self;
//     let shutdown = shutdown;
//     let _: () = { BODY };
//
// Goes to:
//     BODY
fn with_returned_block<R>(stmts: &mut Vec<Stmt>, f: AtBlock<'_, R>) -> R {
    if let Some(Expr::Block(body)) = stmts.iter_mut().find_map(|stmt| initialiser(stmt, "__ret")) {
        return f(&mut body.block.stmts);
    }
    if stmts.iter().all(|stmt| matches!(stmt, Stmt::Local(_))) {
        let last = stmts.last_mut().and_then(|stmt| initialiser(stmt, "_"));
        if let Some(Expr::Block(body)) = last {
            return f(&mut body.block.stmts);
        }
    }
    f(stmts)
}

fn initialiser<'a>(stmt: &'a mut Stmt, name: &str) -> Option<&'a mut Expr> {
    if bound_name(stmt)? != name {
        return None;
    }
    match stmt {
        Stmt::Local(local) => local.init.as_mut().map(|init| &mut *init.expr),
        _ => None,
    }
}

/// The `x` of `let x = ..` and of `let x: T = ..`, which may also be `_`.
fn bound_name(stmt: &Stmt) -> Option<String> {
    let Stmt::Local(local) = stmt else {
        return None;
    };
    let pat = match &local.pat {
        Pat::Type(typed) => &*typed.pat,
        pat => pat,
    };
    match pat {
        Pat::Ident(pat) => Some(pat.ident.to_string()),
        Pat::Wild(_) => Some("_".to_owned()),
        _ => None,
    }
}

/// Whether the tokens mention a variable: its name, other than as a field, a method or a part of
/// a path, or a `{name}` in a format string.
pub(crate) fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    let (captured, formatted) = (format!("{{{name}}}"), format!("{{{name}:"));
    // The two characters of punctuation before the token at hand, nearest last.
    let mut before = [' ', ' '];
    for tree in tokens {
        let mut punct = ' ';
        match tree {
            TokenTree::Ident(ident) => {
                let member = match before {
                    [':', ':'] => true,
                    [further, nearest] => nearest == '.' && further != '.',
                };
                if !member && ident == *name {
                    return true;
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains(&captured) || text.contains(&formatted) {
                    return true;
                }
            }
            TokenTree::Group(group) => {
                if mentions(group.stream(), name) {
                    return true;
                }
            }
            TokenTree::Punct(p) => punct = p.as_char(),
        }
        let [_, nearest] = before;
        before = [nearest, punct];
    }
    false
}

/// Whether a path ends in this name, however the user imported it.
pub(crate) fn ends_in(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|last| last.ident == name)
}
