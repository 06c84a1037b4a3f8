//! The function: the code that drives its body, and where in it the user's own body is.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt as _};
use syn::buffer::Cursor;
use syn::parse::{Parse, ParseStream, Parser as _, StepCursor};
use syn::{
    Attribute, Block, Expr, ExprAsync, Receiver, ReceiverKind, ReturnType, Signature, Stmt, Token,
    Type, TypeInfer, TypeTuple, Visibility, token,
};

use crate::instrumented::with_inner_body;
use crate::syntax::{Mentions, is_reference, mentions, path_ends_in};
use crate::visit::{Node, Visit};

/// A function as it was written. Its body need not parse: rustc explains a half-typed line better
/// than this macro could.
pub(crate) struct InputFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) block: InputBlock,
}

pub(crate) enum InputBlock {
    /// A required method of a trait.
    Missing(Token![;]),
    Present {
        brace: token::Brace,
        inner_attrs: Vec<Attribute>,
        body: Body,
    },
}

pub(crate) enum Body {
    Parsed(Vec<Stmt>),
    /// The whole block, as it came. Rustc would report its syntax errors again in new braces.
    Unparsed(Group),
}

/// A function that a guard can be put into.
pub(crate) struct GuardedFn {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) brace: token::Brace,
    pub(crate) form: Form,
    /// The code that other macros have put around the user's body, with an empty block in its place.
    pub(crate) wrapper: Vec<Stmt>,
    /// The user's own body.
    pub(crate) body: Body,
    /// The variables that it mentions. Several decisions ask for them, and to find them takes a walk
    /// through all tokens.
    mentions: Mentions,
    /// The braces of the block whose statements `wrapper` and `body` are.
    pub(crate) body_brace: token::Brace,
}

/// The code that runs the body.
pub(crate) enum Form {
    /// `async fn`
    Async,
    /// A last expression `async { .. }` or `Box::pin(async { .. })`, here without its
    /// statements. The statements before it run at the call.
    Tail {
        prologue: Vec<Stmt>,
        tail: Box<Expr>,
    },
    /// A function that runs its body at the call.
    Sync,
}

/// Why a function has no place for a guard.
pub(crate) enum Unsupported {
    /// It has no body.
    NoBody(Token![;]),
    /// It ends in `async { .. }.boxed()`.
    Boxed(Ident),
    /// It returns a future that it does not make in an async block at its end.
    OtherFuture,
    /// Its form is unknown, because its body does not parse.
    Unparsed,
}

impl Parse for InputFn {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
            block: input.parse()?,
        })
    }
}

impl Parse for InputBlock {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Token![;]) {
            return Ok(Self::Missing(input.parse()?));
        }
        if !input.peek(token::Brace) {
            return Err(input.error("expected the body of the function"));
        }
        let block = ungroup(input.step(any_group)?);
        let parse = |content: ParseStream<'_>| {
            let inner_attrs = content.call(Attribute::parse_inner)?;
            Ok((inner_attrs, Block::parse_within(content)?))
        };
        let parsed = parse
            .parse2(block.stream())
            .or_else(|_| parse.parse2(ungroup_stmts(block.stream())));
        let (inner_attrs, body) = match parsed {
            Ok((inner_attrs, stmts)) => (inner_attrs, Body::Parsed(stmts)),
            Err(_) => (Vec::new(), Body::Unparsed(block.clone())),
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

/// Removes the invisible groups around a macro's `$body:block`.
fn ungroup(group: Group) -> Group {
    if group.delimiter() != Delimiter::None {
        return group;
    }
    match group.stream().into_iter().next() {
        Some(TokenTree::Group(inner)) => ungroup(inner),
        _ => group,
    }
}

/// Removes the invisible groups around the `$step:stmt` of a macro, which syn cannot parse where the
/// statement is a `let` or an item.
fn ungroup_stmts(tokens: TokenStream) -> TokenStream {
    let ungrouped = tokens.into_iter().map(|tree| match tree {
        TokenTree::Group(group) => {
            let inner = ungroup_stmts(group.stream());
            let is_stmt =
                group.delimiter() == Delimiter::None && syn::parse2::<Expr>(inner.clone()).is_err();
            if is_stmt {
                return inner;
            }
            let mut ungrouped = Group::new(group.delimiter(), inner);
            ungrouped.set_span(group.span());
            TokenTree::Group(ungrouped).into()
        }
        tree => TokenStream::from(tree),
    });
    ungrouped.collect()
}

fn any_group<'c>(cursor: StepCursor<'c, '_>) -> syn::Result<(Group, Cursor<'c>)> {
    match cursor.token_tree() {
        Some((TokenTree::Group(group), rest)) => Ok((group, rest)),
        _ => Err(cursor.error("expected the body of the function")),
    }
}

impl InputFn {
    /// The statements of the body, if it parses.
    pub(crate) fn stmts_mut(&mut self) -> Option<&mut Vec<Stmt>> {
        match &mut self.block {
            InputBlock::Present {
                body: Body::Parsed(stmts),
                ..
            } => Some(stmts),
            _ => None,
        }
    }
}

impl ToTokens for InputFn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.append_all(&self.attrs);
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        match &self.block {
            InputBlock::Missing(semi) => semi.to_tokens(tokens),
            InputBlock::Present {
                brace,
                inner_attrs,
                body,
            } => match body {
                Body::Parsed(stmts) => brace.surround(tokens, |tokens| {
                    tokens.append_all(inner_attrs);
                    tokens.append_all(stmts);
                }),
                Body::Unparsed(block) => block.to_tokens(tokens),
            },
        }
    }
}

impl ToTokens for Body {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Parsed(stmts) => tokens.append_all(stmts),
            Self::Unparsed(block) => block.to_tokens(tokens),
        }
    }
}

impl GuardedFn {
    pub(crate) fn from_input(input: InputFn) -> Result<Self, Unsupported> {
        let InputFn {
            attrs,
            vis,
            sig,
            block,
        } = input;
        let (brace, inner_attrs, body) = match block {
            InputBlock::Missing(semi) => return Err(Unsupported::NoBody(semi)),
            InputBlock::Present {
                brace,
                inner_attrs,
                body,
            } => (brace, inner_attrs, body),
        };
        let is_async = sig.asyncness.is_some();
        let (form, body_brace, wrapper, body) = match body {
            Body::Unparsed(_) if !is_async => return Err(Unsupported::Unparsed),
            Body::Unparsed(_) => (Form::Async, brace, Vec::new(), body),
            Body::Parsed(stmts) => {
                let (form, body_brace, mut wrapper) = if is_async {
                    (Form::Async, brace, stmts)
                } else {
                    match split_tail(stmts) {
                        Ok(tail) => tail,
                        Err(stmts) if returns_future(&sig.output) => {
                            return Err(match boxed(&stmts) {
                                Some(method) => Unsupported::Boxed(method),
                                None => Unsupported::OtherFuture,
                            });
                        }
                        Err(stmts) => (Form::Sync, brace, stmts),
                    }
                };
                let inner = with_inner_body(&mut wrapper, &mut mem::take);
                (form, body_brace, wrapper, Body::Parsed(inner))
            }
        };
        Ok(Self {
            attrs,
            vis,
            sig,
            inner_attrs,
            brace,
            form,
            wrapper,
            mentions: Mentions::of(body.to_token_stream()),
            body,
            body_brace,
        })
    }

    /// Whether the body can be suspended.
    pub(crate) fn is_async(&self) -> bool {
        !matches!(self.form, Form::Sync)
    }

    /// The statements of the user's own body, if it parses.
    pub(crate) fn user_stmts(&mut self) -> &mut [Stmt] {
        match &mut self.body {
            Body::Parsed(stmts) => stmts,
            Body::Unparsed(_) => &mut [],
        }
    }

    /// The statements of the user's own body, to read.
    pub(crate) fn stmts(&self) -> &[Stmt] {
        match &self.body {
            Body::Parsed(stmts) => stmts,
            Body::Unparsed(_) => &[],
        }
    }

    /// Whether the user's body mentions this variable, also in the input of a macro.
    pub(crate) fn body_mentions(&self, variable: &Ident) -> bool {
        self.mentions.contain(variable)
    }

    /// Whether the code that other macros have put around the body mentions this variable.
    pub(crate) fn wrapper_mentions(&self, variable: &Ident) -> bool {
        let mut wrapper = TokenStream::new();
        wrapper.append_all(&self.wrapper);
        mentions(wrapper, variable)
    }

    /// Whether the function's block mentions this variable, the code of other macros included.
    pub(crate) fn fn_mentions(&self, variable: &Ident) -> bool {
        self.wrapper_mentions(variable) || self.body_mentions(variable)
    }

    /// Whether a statement that runs at the call mentions this parameter.
    pub(crate) fn prologue_mentions(&self, variable: &Ident) -> bool {
        let mut prologue = TokenStream::new();
        if let Form::Tail {
            prologue: stmts, ..
        } = &self.form
        {
            prologue.append_all(stmts);
        }
        mentions(prologue, variable)
    }

    /// Whether a statement that runs at the call binds this parameter's name to another value.
    pub(crate) fn prologue_binds(&self, variable: &Ident) -> bool {
        let Form::Tail { prologue, .. } = &self.form else {
            return false;
        };
        let mut binds = BindsName {
            name: variable,
            found: false,
        };
        for stmt in prologue {
            if let Stmt::Local(local) = stmt {
                binds.visit_node(Node::Pat(&mut local.pat.clone()));
            }
        }
        binds.found
    }

    /// The type that the body returns, in a form that a body may contain: `_` for `impl Trait`,
    /// and for a future's output that the signature does not name.
    pub(crate) fn output(&self) -> Type {
        let mut output = match (&self.form, &self.sig.output) {
            (Form::Async | Form::Sync, ReturnType::Type(_, ty)) => Type::clone(ty),
            (Form::Async | Form::Sync, ReturnType::Default) => Type::Tuple(TypeTuple {
                attrs: Vec::new(),
                paren_token: token::Paren(self.sig.paren_token.span.close()),
                elems: syn::punctuated::Punctuated::new(),
            }),
            (Form::Tail { .. }, returns) => {
                let mut output = FutureOutput(None);
                if let ReturnType::Type(_, ty) = returns {
                    output.visit_node(Node::Type(&mut ty.clone()));
                }
                output.0.unwrap_or_else(|| inferred(self.sig.ident.span()))
            }
        };
        InferImplTrait.visit_node(Node::Type(&mut output));
        output
    }
}

fn inferred(span: Span) -> Type {
    Type::Infer(TypeInfer {
        attrs: Vec::new(),
        underscore_token: Token![_](span),
    })
}

/// Finds the `T` of `Output = T`.
struct FutureOutput(Option<Type>);

impl Visit for FutureOutput {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::AssocType(assoc) => {
                if assoc.ident == "Output" {
                    self.0.get_or_insert_with(|| assoc.ty.clone());
                }
            }
            node => node.visit_children(self),
        }
    }
}

/// Replaces each `impl Trait` by `_`.
struct InferImplTrait;

impl Visit for InferImplTrait {
    fn visit_node(&mut self, node: Node<'_>) {
        match node {
            Node::Type(ty @ Type::ImplTrait(_)) => {
                if let Type::ImplTrait(opaque) = ty {
                    *ty = inferred(opaque.impl_token.span);
                }
            }
            node => node.visit_children(self),
        }
    }
}

struct BindsName<'a> {
    name: &'a Ident,
    found: bool,
}

impl Visit for BindsName<'_> {
    fn visit_node(&mut self, node: Node<'_>) {
        if let Node::PatIdent(pat) = &node {
            self.found |= pat.ident == *self.name;
        }
        node.visit_children(self);
    }
}

/// The method of `async { .. }.boxed()` at the end of a function.
fn boxed(stmts: &[Stmt]) -> Option<Ident> {
    let Some(Stmt::Expr(Expr::MethodCall(call), None)) = stmts.last() else {
        return None;
    };
    let is_boxed = call.method == "boxed" || call.method == "boxed_local";
    let is_block = matches!(*call.receiver, Expr::Async(_));
    (is_boxed && is_block).then(|| call.method.clone())
}

/// Whether a signature says that the function returns a future.
fn returns_future(output: &ReturnType) -> bool {
    struct NamesFuture(bool);

    impl Visit for NamesFuture {
        fn visit_node(&mut self, node: Node<'_>) {
            match node {
                Node::Path(path) => {
                    self.0 |= ["Future", "BoxFuture", "LocalBoxFuture"]
                        .iter()
                        .any(|name| path_ends_in(path, name));
                    // A future inside another type is a part of the value.
                    if ["Pin", "Box"].iter().any(|name| path_ends_in(path, name)) {
                        Node::Path(path).visit_children(self);
                    }
                }
                node => node.visit_children(self),
            }
        }
    }

    let mut future = NamesFuture(false);
    if let ReturnType::Type(_, ty) = output {
        future.visit_node(Node::Type(&mut ty.clone()));
    }
    future.0
}

/// The last expression of a function that is not `async`, split from the statements before it and
/// from the statements inside it. Returns the statements if there is none of that form.
fn split_tail(mut stmts: Vec<Stmt>) -> Result<(Form, token::Brace, Vec<Stmt>), Vec<Stmt>> {
    let has_tail = match stmts.last_mut() {
        Some(Stmt::Expr(tail, None)) => async_tail(tail).is_some(),
        _ => false,
    };
    if !has_tail {
        return Err(stmts);
    }
    let Some(Stmt::Expr(mut tail, None)) = stmts.pop() else {
        return Err(stmts);
    };
    let Some(block) = async_tail(&mut tail) else {
        return Err(stmts);
    };
    let brace = block.block.brace_token;
    let body = mem::take(&mut block.block.stmts);
    let form = Form::Tail {
        prologue: stmts,
        tail: Box::new(tail),
    };
    Ok((form, brace, body))
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

/// Whether a receiver is a value that the function owns: `self`, `self: Arc<Self>`.
pub(crate) fn is_owned(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Value => true,
        ReceiverKind::Typed(_, ty) => !is_reference(ty),
        _ => false,
    }
}
