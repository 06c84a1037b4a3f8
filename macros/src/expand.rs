//! Tokens out. Nothing can go wrong here any more, and nothing is decided here: the expansion is
//! one call of the runtime around the user's body.

use std::mem;

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, TokenStreamExt as _, quote, quote_spanned};
use syn::{Expr, FnArg, Receiver, Stmt, Token, Type};

use crate::args::Args;
use crate::body::{Rewrite, Tidy, attempt, ends};
use crate::check::{Guard, GuardedBy, check, not_a_function};
use crate::docs;
use crate::guarded_fn::{
    Body, Form, GuardedFn, Source, SourceBlock, async_tail, ends_in, with_user_block,
};
use crate::params::{self, TokenParam};
use crate::report::Report;
use crate::walk::{self, Node, Walk as _};

/// `#[cancel_guarded(ARGS)] ITEM`: parses, checks, expands.
pub(crate) fn cancel_guarded(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut report = Report::default();
    let args = Args::parse(args, &mut report);
    let tidy = Tidy {
        state: args.state.clone(),
        state_is_unread: args.is_unread("state"),
    };
    let guard = match syn::parse2::<Source>(item.clone()) {
        Ok(source) => check(args, source, &mut report),
        Err(error) => {
            report.push(not_a_function(&item, &error));
            None
        }
    };
    match (report.finish(), guard) {
        (Ok(()), Some(guard)) => expand(guard),
        (Ok(()), None) => unguarded(item, tidy),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let unguarded = unguarded(item, tidy);
            quote!(#errors #unguarded)
        }
    }
}

/// The function without its guard, so that what uses it still finds it.
///
/// It is read once more, so that where nothing is wrong nobody keeps a copy of it.
fn unguarded(item: TokenStream, mut tidy: Tidy) -> TokenStream {
    let Ok(mut source) = syn::parse2::<Source>(item.clone()) else {
        return item;
    };
    source
        .attrs
        .retain(|attr| !ends_in(attr.path(), "cancel_guarded"));
    tidy.at(Node::Attributes(&mut source.attrs));
    // rustc has four things to say about it.
    source.sig.variadic = None;
    if let SourceBlock::Present {
        body: Body::Read(stmts),
        ..
    } = &mut source.block
    {
        walk::stmts(stmts, &mut tidy);
    }
    quote! {
        #[allow(unused)]
        #source
    }
}

// Input:
//     #[cancel_guarded(state = self.state)]
//     pub async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, ServerError> {
//         let listener = TcpListener::bind(self.addr).await?;
//         tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
//         Ok(self.addr)
//     }
//
// Output:
//     pub async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, ServerError> {
//         let __attempt = &::cancel_guarded::__private::attempt(&self.state);
//         let __start = __attempt
//             .start_with_child(&shutdown)
//             .refusing::<Result<SocketAddr, ServerError>>();
//         __start.run(async move {
//             if let Some(__ret) = None::<Result<SocketAddr, ServerError>> { return __ret; }
//             let shutdown = __attempt.child(shutdown);
//             let listener = ::cancel_guarded::__private::watch(
//                 __attempt,
//                 TcpListener::bind(self.addr),
//             )
//             .await?;
//             tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
//             Ok(self.addr)
//         })
//         .await
//     }
//
// Input, where an async block is last, as from `#[async_trait]`:
//     fn start(&self, ..) -> Pin<Box<dyn Future<Output = R> + Send>> {
//         Box::pin(async move { BODY })
//     }
//
// Output:
//     fn start(&self, ..) -> Pin<Box<dyn Future<Output = R> + Send>> {
//         Box::pin(async move { .. __start.run(async move { BODY }).await })
//     }
fn expand(mut guard: Guard) -> TokenStream {
    let docs = docs::section(&guard);
    if let Form::Async = guard.function.form {
        params::hide_unused(&mut guard);
    }
    let call = call(&mut guard);
    let GuardedFn {
        attrs,
        vis,
        sig,
        inner_attrs,
        brace,
        form,
        ..
    } = guard.function;

    let mut tokens = TokenStream::new();
    tokens.append_all(attrs);
    tokens.append_all(docs);
    if matches!(form, Form::Async) && sig.receiver().is_some_and(is_mut_value) {
        // What an async block writes to a variable that it captured is never read to rustc, even
        // if dropping it is what matters. Within an `async fn` it knows better.
        tokens.append_all(quote_spanned!(Span::mixed_site()=> #[allow(unused_assignments)]));
    }
    vis.to_tokens(&mut tokens);
    sig.to_tokens(&mut tokens);
    brace.surround(&mut tokens, |tokens| {
        tokens.append_all(inner_attrs);
        match form {
            Form::Async => tokens.append_all(call),
            Form::Tail { prologue, mut tail } => {
                if let Some(block) = async_tail(&mut tail) {
                    let span = block.async_token.span;
                    block.capture.get_or_insert(Token![move](span));
                    block.block.stmts = vec![Stmt::Expr(Expr::Verbatim(call), None)];
                }
                tokens.append_all(prologue);
                tail.to_tokens(tokens);
            }
        }
    });
    tokens
}

/// Whether a receiver is `mut self`, or `mut self: T`.
fn is_mut_value(receiver: &Receiver) -> bool {
    receiver.mutability.is_some()
}

/// The one call of the runtime.
fn call(guard: &mut Guard) -> TokenStream {
    let span = Span::mixed_site();
    let (attempts, start) = start(guard);
    let refusing = refusing(guard);
    let restart = guard
        .args
        .restart
        .as_ref()
        .map(|_| quote_spanned!(span=> .restart()));
    let has_state = guard.args.state.is_some();
    let shielded = guard.args.shielded.as_ref().map(|_| {
        if has_state {
            quote_spanned!(span=> .shielded())
        } else {
            quote_spanned!(span=> .entry_only())
        }
    });
    let block = block(guard);
    // What rustc says of a variable that the block captures depends on where the block stands.
    let place = guard.function.body_brace.span.open();
    let body = quote_spanned!(place=> async move #block);
    quote_spanned! {span=>
        #attempts
        let __start = #start #restart #shielded #refusing;
        __start.run(#body).await
    }
}

// Input:
//     state = self.state
//
// Output:
//     let __attempt = &::cancel_guarded::__private::attempt(&self.state);
//     __attempt.start_with_child(&shutdown)
//
// Or, where the body may take away what the cell is a part of:
//     let __cell = ::cancel_guarded::__private::cell(&self.state);
//     let __attempt = &::cancel_guarded::__private::attempt(&__cell);
//     __attempt.start_with_child(&shutdown)
//
// Each is a statement of its own, so that temporaries in the arguments do not live until the start
// is over. And the attempt is not a parameter of a closure around the body: what rustc says of a
// variable captured twice is not what it says without the attribute.
fn start(guard: &Guard) -> (TokenStream, TokenStream) {
    let span = Span::mixed_site();
    let private = guard.args.runtime().private(span);
    let attempt = attempt(span);
    let attempts = match &guard.args.state {
        Some(state) if stays(state, &guard.function) => {
            let state = borrowed(state);
            quote_spanned!(span=> let #attempt = &#private::attempt(#state);)
        }
        state => {
            let cell = if let Some(state) = state.as_ref().map(borrowed) {
                quote_spanned!(span=> #private::cell(#state))
            } else {
                quote_spanned!(span=> #private::unpublished())
            };
            quote_spanned! {span=>
                let __cell = #cell;
                let #attempt = &#private::attempt(&__cell);
            }
        }
    };
    let start = if let Some(TokenParam { ident, .. }) = given_up(guard) {
        quote_spanned!(span=> #attempt.start_owned(#ident))
    } else {
        let token = borrowed(&guard.by.expr());
        if is_named(guard) {
            quote_spanned!(span=> #attempt.start_with_child(#token))
        } else {
            quote_spanned!(span=> #attempt.start(#token))
        }
    };
    (attempts, start)
}

/// Whether the body cannot take `state` away: it is a field behind a shared reference, be it
/// `self` or a parameter.
fn stays(state: &Expr, function: &GuardedFn) -> bool {
    let mut root = state;
    while let Expr::Field(field) = root {
        root = &field.base;
    }
    let Expr::Path(root) = root else {
        return false;
    };
    root.path.get_ident().is_some_and(|root| {
        // A statement at the call may give a parameter's name to a value that the body takes away,
        // and one name may stand for several parameters, each under a `cfg`. Nothing shadows `self`.
        let mut params = function.sig.inputs.iter().filter(|input| match input {
            FnArg::Receiver(_) => root == "self",
            FnArg::Typed(param) => params::variable(&param.pat) == Some(root),
        });
        let is_shared = match (params.next(), &function.form) {
            (Some(FnArg::Receiver(receiver)), _) => params::is_shared(receiver),
            (Some(FnArg::Typed(param)), Form::Async) => params::is_shared_reference(&param.ty),
            _ => false,
        };
        is_shared && params.next().is_none()
    })
}

/// The token parameter, if nobody but the guard wants it: then the guard may keep it.
fn given_up(guard: &Guard) -> Option<&TokenParam> {
    match &guard.by {
        GuardedBy::Param {
            param,
            named: false,
        } => {
            let is_wanted = guard.args.mention(&param.ident) || guard.function.uses(&param.ident);
            let is_here = matches!(guard.function.form, Form::Async);
            // A pattern that is no name stands for none, and one name may stand for several, each
            // under a `cfg`.
            let inputs = guard.function.sig.inputs.iter();
            let is_only = inputs.filter(|input| match input {
                FnArg::Typed(other) => params::variable(&other.pat) == Some(&param.ident),
                FnArg::Receiver(_) => false,
            });
            let is_only = is_only.count() == 1;
            (is_here && is_only && !is_wanted).then_some(param)
        }
        _ => None,
    }
}

/// `&EXPR`, at the place of EXPR.
fn borrowed(expr: &Expr) -> TokenStream {
    let span = ends(expr).0;
    match expr {
        Expr::Path(_)
        | Expr::Field(_)
        | Expr::Call(_)
        | Expr::MethodCall(_)
        | Expr::Macro(_)
        | Expr::Index(_)
        | Expr::Group(_)
        | Expr::Paren(_)
        | Expr::Reference(_)
        | Expr::Unary(_)
        | Expr::Verbatim(_) => quote_spanned!(span=> &#expr),
        _ => quote_spanned!(span=> &(#expr)),
    }
}

// Input:
//     -> Result<SocketAddr, ServerError>
//
// Output:
//     .refusing::<Result<SocketAddr, ServerError>>()
//
// All of it lies where the return type does, so that a type which cannot carry a refusal is
// reported there.
fn refusing(guard: &Guard) -> TokenStream {
    let output = guard.function.output();
    let (first, last) = ends(&output);
    let answer = guard.args.on_refused.as_ref().map(answer);
    let mut arguments = Group::new(Delimiter::Parenthesis, answer.to_token_stream());
    arguments.set_span(last);
    if guard.args.on_refused.is_some() {
        quote_spanned!(first=> .refused_by::<#output, _> #arguments)
    } else {
        quote_spanned!(first=> .refusing::<#output> #arguments)
    }
}

// Input:
//     on_refused = refused
//
// Output:
//     move |__error| refused(__error)
//
// rustc says once what is wrong with a call, and three times what is wrong with a bound. The
// parameter of a closure that the user wrote gets its type from the bound.
fn answer(on_refused: &Expr) -> TokenStream {
    if !matches!(on_refused, Expr::Path(_)) {
        return on_refused.to_token_stream();
    }
    let span = Span::mixed_site().located_at(ends(on_refused).0);
    quote_spanned!(span=> move |__error| #on_refused(__error))
}

fn is_named(guard: &Guard) -> bool {
    matches!(guard.by, GuardedBy::Param { named: true, .. })
}

/// The block of the body, in the user's own braces: where a value is missing at its end, rustc
/// points there.
fn block(guard: &mut Guard) -> TokenStream {
    let runtime = guard.args.runtime();
    let hint = return_hint(&guard.function.output());
    let given_up = given_up(guard).cloned();
    let function = &mut guard.function;
    let child = match &guard.by {
        GuardedBy::Param { param, named: true } => Some(param),
        _ => None,
    };
    let (moves, captures) = match function.form {
        Form::Async => {
            let given_up = given_up.as_ref();
            let moves = params::move_in(&mut function.sig, child, given_up, &guard.beside);
            (moves, Vec::new())
        }
        Form::Tail { .. } => {
            if let GuardedBy::Param { param, .. } = &guard.by {
                params::name_in_tail(function, param);
            }
            let child = child.map(|param| params::child_in_tail(function, param));
            let captures = guard.beside.iter().filter_map(params::capture);
            let captures = captures.map(|capture| Stmt::Expr(Expr::Verbatim(capture), None));
            (child.unwrap_or_default(), captures.collect())
        }
    };
    let mut rewrite = Rewrite {
        runtime: &runtime,
        state: guard.args.state.as_ref(),
        shielded: guard.args.shielded.is_some(),
    };
    let mut tokens = TokenStream::new();
    function.body_brace.surround(&mut tokens, |tokens| {
        if let (Body::Read(stmts), []) = (&mut function.body, function.scaffold.as_slice()) {
            // Items first, as their author has them: lints ask for that.
            let items = stmts
                .iter()
                .take_while(|stmt| matches!(stmt, Stmt::Item(_)));
            let items = items.count();
            tokens.append_all(stmts.drain(..items));
        }
        // An `if let` at the end of a block is its value.
        let is_empty = matches!(&function.body, Body::Read(stmts) if stmts.is_empty());
        let is_last = is_empty && function.scaffold.is_empty() && moves.is_empty();
        let semi = is_last.then(|| Token![;](Span::mixed_site()));
        tokens.append_all([hint, moves, semi.into_token_stream()]);
        match &mut function.body {
            Body::Read(stmts) => {
                rewrite.body(stmts);
                stmts.splice(..0, captures);
                with_user_block(&mut function.scaffold, &mut |hole| mem::swap(hole, stmts));
                tokens.append_all(&function.scaffold);
            }
            Body::Unread(unread) => unread.to_tokens(tokens),
        }
    });
    tokens
}

// Input:
//     -> Result<SocketAddr, ServerError>
//
// Output:
//     if let Some(__ret) = None::<Result<SocketAddr, ServerError>> { return __ret; }
//
// Says what the async block returns before anything in it does, as the signature of an `async fn`
// says it: for `?` to convert into, and for values to be coerced to.
fn return_hint(output: &Type) -> TokenStream {
    if matches!(output, Type::Infer(_)) {
        return TokenStream::new();
    }
    let span = ends(output).0;
    quote_spanned! {span=>
        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<#output> {
            return __ret;
        }
    }
}
