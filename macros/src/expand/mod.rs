//! Tokens out. Nothing here fails, and nothing here is decided: the expansion is one call of the
//! runtime around the user's body.

mod body;
mod detached;
mod docs;
mod names;
mod on_refused;
mod params;
mod signature;
mod strip;
mod suspends;

use std::mem;

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{ToTokens, TokenStreamExt as _, quote_spanned};
use syn::{Expr, Stmt, Token, Type};

use crate::function::{Body, Form, GuardedFn, async_tail};
use crate::instrumented::with_inner_body;
use crate::model::{Guard, Mode, Publication};
use crate::syntax::span_ends;
use crate::visit::visit_stmts;

use self::body::RewriteBody;

pub(crate) use self::strip::StripGuardSyntax;

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
//         use ::cancel_guarded::__private as __cancel_guarded;
//         let __start = &__cancel_guarded::start(&self.state);
//         let __options = __start.guard_by_child(&shutdown);
//         let __on_refused =
//             __cancel_guarded::on_refused_default::<Result<SocketAddr, ServerError>>();
//         let __output = __options.drive(__on_refused, async move {
//             if let Some(__ret) = None::<Result<SocketAddr, ServerError>> { return __ret; }
//             let shutdown = __start.child(shutdown);
//             let listener =
//                 __cancel_guarded::checked(__start, TcpListener::bind(self.addr)).await?;
//             tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
//             Ok(self.addr)
//         })
//         .await;
//         match () { #[allow(clippy::implicit_return)] () => __output }
//     }
//
// Input, where an async block is last, as in the output of `#[async_trait]`:
//     fn start(&self, ..) -> Pin<Box<dyn Future<Output = R> + Send>> {
//         Box::pin(async move { BODY })
//     }
//
// Output:
//     fn start(&self, ..) -> Pin<Box<dyn Future<Output = R> + Send>> {
//         Box::pin(async move {
//             ..
//             let __output = __options.drive(__on_refused, async move { BODY }).await;
//             OUTPUT
//         })
//     }
//
// Input, where nothing is awaited:
//     fn start(&self, shutdown: CancellationToken) -> Result<(), ServerError> { BODY }
//
// Output:
//     fn start(&self, shutdown: CancellationToken) -> Result<(), ServerError> {
//         ..
//         let __output = __options.drive_sync(__on_refused, move || { BODY });
//         OUTPUT
//     }
pub(crate) fn expand(mut guard: Guard) -> TokenStream {
    let docs = docs::section(&guard);
    if !matches!(guard.function.form, Form::Tail { .. }) {
        signature::hide_unused(&mut guard);
    }
    let nameless = signature::nameless(&guard.function.sig);
    let call = gen_call(&mut guard);
    signature::document_nameless(&mut guard.function.sig, &nameless);
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
    vis.to_tokens(&mut tokens);
    sig.to_tokens(&mut tokens);
    brace.surround(&mut tokens, |tokens| {
        tokens.append_all(inner_attrs);
        match form {
            Form::Async | Form::Sync => tokens.append_all(call),
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

/// The one call of the runtime.
///
/// Each step is a statement of its own, so that temporaries in the arguments do not live until the
/// start is over. They leave no borrow of a user's value.
fn gen_call(guard: &mut Guard) -> TokenStream {
    let span = Span::mixed_site();
    let import = names::import_runtime(guard.args.krate.as_ref());
    let (runtime, start) = (names::runtime(span), names::start(span));
    let patterns = params::borrow_patterns(guard);
    let cell = if let Some(state) = &guard.args.state {
        let state = borrowed(state);
        quote_spanned!(span=> #runtime::start(#state))
    } else {
        quote_spanned!(span=> #runtime::stateless())
    };
    let options = gen_options(guard);
    let on_refused = gen_on_refused(guard);
    let is_async = guard.function.is_async();
    let block = gen_block(guard);
    // Rustc's messages about a captured variable depend on the place of the block.
    let place = guard.function.body_brace.span.open();
    let drive = if is_async {
        let body = quote_spanned!(place=> async move #block);
        // The future is dropped before the variables that it borrows, in every edition.
        quote_spanned!(span=> let __output = __options.drive(__on_refused, #body).await;)
    } else {
        let body = quote_spanned!(place=> move || #block);
        quote_spanned!(span=> let __output = __options.drive_sync(__on_refused, #body);)
    };
    quote_spanned! {span=>
        #import
        #patterns
        let #start = &#cell;
        let __options = #options;
        let __on_refused = #on_refused;
        #drive
        // An attribute cannot stand on the value of a block. A `return` would not reach the code of
        // an attribute below that does not expect one.
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
}

// Output:
//     __start.guard_by_child(&shutdown).restart().shielded().run()
fn gen_options(guard: &Guard) -> TokenStream {
    let span = Span::mixed_site();
    let start = names::start(span);
    let token = borrowed(&guard.token.expr());
    let mut options = if guard.token.child_param().is_some() {
        quote_spanned!(span=> #start.guard_by_child(#token))
    } else {
        quote_spanned!(span=> #start.guard_by(#token))
    };
    if guard.args.restart.is_some() {
        options.append_all(quote_spanned!(span=> .restart()));
    }
    if guard.args.shielded.is_some() {
        options.append_all(quote_spanned!(span=> .shielded()));
    }
    options.append_all(match guard.mode {
        Mode::Start => TokenStream::new(),
        Mode::Run(Publication::Body) => quote_spanned!(span=> .run()),
        Mode::Run(Publication::ByStores) => {
            let stores = &guard.body.stores;
            quote_spanned!(span=> .run_by_stores(&[#(#stores),*]))
        }
        Mode::Run(Publication::Entry) => quote_spanned!(span=> .run_published()),
        Mode::Run(Publication::None) => quote_spanned!(span=> .run_stateless()),
    });
    options
}

/// `&EXPR`, at the place of EXPR.
fn borrowed(expr: &Expr) -> TokenStream {
    let span = span_ends(expr).0;
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
//     __cancel_guarded::on_refused_default::<Result<SocketAddr, ServerError>>()
//
// All of it lies where the return type does, so that rustc reports a type that cannot carry a
// refusal there.
fn gen_on_refused(guard: &Guard) -> TokenStream {
    let output = guard.function.output();
    let (first, last) = span_ends(&output);
    let runtime = names::runtime(first);
    let make = on_refused::closure(guard);
    let mut arguments = Group::new(Delimiter::Parenthesis, make.to_token_stream());
    arguments.set_span(last);
    if make.is_some() {
        quote_spanned!(first=> #runtime::on_refused::<#output, _> #arguments)
    } else {
        quote_spanned!(first=> #runtime::on_refused_default::<#output> #arguments)
    }
}

/// The block of the body, in the user's own braces: where a value is missing at its end, rustc
/// points there.
fn gen_block(guard: &mut Guard) -> TokenStream {
    let hint = if guard.function.is_async() {
        return_hint(&guard.function.output())
    } else {
        TokenStream::new()
    };
    let (moves, captures) = params::into_body(guard);
    let is_interrupted =
        guard.args.shielded.is_none() && guard.mode != Mode::Run(Publication::None);
    let mut rewrite = RewriteBody {
        state: guard.args.state.as_ref(),
        checks_awaits: is_interrupted && guard.function.is_async(),
    };
    let is_tail = matches!(guard.function.form, Form::Tail { .. });
    let renames_self = guard.params.assigns_to_self && !is_tail;
    let function = &mut guard.function;
    let mut tokens = TokenStream::new();
    function.body_brace.surround(&mut tokens, |tokens| {
        if let (Body::Parsed(stmts), []) = (&mut function.body, function.wrapper.as_slice()) {
            // Items stay first: a lint of clippy's asks for that.
            let items = stmts
                .iter()
                .take_while(|stmt| matches!(stmt, Stmt::Item(_)));
            let items = items.count();
            tokens.append_all(stmts.drain(..items));
        }
        // An `if let` at the end of a block would be its value.
        let is_empty = matches!(&function.body, Body::Parsed(stmts) if stmts.is_empty());
        let is_last = is_empty && function.wrapper.is_empty() && moves.is_empty();
        let semi = (is_last && !hint.is_empty()).then(|| Token![;](Span::mixed_site()));
        tokens.append_all([hint, moves, semi.into_token_stream()]);
        match &mut function.body {
            Body::Parsed(stmts) => {
                if renames_self {
                    visit_stmts(stmts, &mut params::RenameSelf);
                }
                rewrite.rewrite(stmts);
                stmts.splice(..0, captures);
                with_inner_body(&mut function.wrapper, &mut |hole| mem::swap(hole, stmts));
                tokens.append_all(&function.wrapper);
            }
            Body::Unparsed(block) => block.to_tokens(tokens),
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
// Tells rustc what the async block returns before anything in it does, as the signature of an
// `async fn` would: for `?` to convert into, and for values to be coerced to.
fn return_hint(output: &Type) -> TokenStream {
    if matches!(output, Type::Infer(_)) {
        return TokenStream::new();
    }
    let span = span_ends(output).0;
    quote_spanned! {span=>
        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<#output> {
            return __ret;
        }
    }
}
