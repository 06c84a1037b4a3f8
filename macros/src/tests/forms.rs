//! Each form of start function: where the guard goes, and how the parameters get into it.

use proc_macro2::{Delimiter, Group, TokenTree};
use quote::quote;

use super::{assert_lines, guarded};

#[test]
fn every_argument_is_one_call_in_the_chain() {
    let expanded = guarded(
        quote!(
            token = self.token,
            state = self.state,
            restart,
            shielded,
            on_refused = |_| Ok(()),
            crate = crate::guard
        ),
        quote! {
            async fn start(&self) -> Result<(), Error> {
                self.state.store(Phase::Up);
                serve().await
            }
        },
    );
    assert_lines(
        &expanded,
        "
        async fn start(&self) -> Result<(), Error> {
            use crate::guard::__private as __cancel_guarded;
            let __start = &__cancel_guarded::start(&self.state);
            let __options = __start
                .guard_by(&self.token)
                .restart()
                .shielded()
                .run_by_stores(&[Phase::Up]);
            let __on_refused = __cancel_guarded::on_refused::<Result<(), Error>, _>(|_| Ok(()));
            let __output = __options
                .drive(
                    __on_refused,
                    async move {
                        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                            Result<(), Error>,
                        > {
                            return __ret;
                        }
                        __cancel_guarded::Start::store(__start, Phase::Up);
                        serve().await
                    },
                )
                .await;
            match () {
                #[allow(clippy::implicit_return)]
                () => __output,
            }
        }
        ",
    );
}

#[test]
fn a_function_that_does_not_wait_is_driven_at_the_call() {
    let expanded = guarded(
        quote!(state = self.state),
        quote! {
            fn start(&self, mut n: u8, shutdown: CancellationToken) -> Result<u8, Error> {
                n = bind(n)?;
                tokio::spawn(self.state.serve(accept(shutdown)));
                return Ok(n);
            }
        },
    );
    assert_lines(
        &expanded,
        "
        fn start(&self, n: u8, shutdown: CancellationToken) -> Result<u8, Error> {
            use ::cancel_guarded::__private as __cancel_guarded;
            let __start = &__cancel_guarded::start(&self.state);
            let __options = __start.guard_by_child(&shutdown);
            let __on_refused = __cancel_guarded::on_refused_default::<Result<u8, Error>>();
            let __output = __options
                .drive_sync(
                    __on_refused,
                    move || {
                        let mut n = n;
                        let shutdown = __start.child(shutdown);
                        n = bind(n)?;
                        tokio::spawn(self.state.serve(accept(shutdown)));
                        return Ok(n);
                    },
                );
            match () {
                #[allow(clippy::implicit_return)]
                () => __output,
            }
        }
        ",
    );
    // A macro that would wait in an async body does not here.
    let joined = guarded(
        quote!(),
        quote!(
            fn start(t: CancellationToken) {
                join!(a, b);
                c();
            }
        ),
    );
    assert!(!joined.contains("checkpoint"), "{joined}");
}

#[test]
fn temporaries_of_the_arguments_end_before_the_start_begins() {
    let expanded = guarded(
        quote!(token = self.tokens.lock().start.clone()),
        quote!(
            async fn start(&self) {}
        ),
    );
    assert!(
        expanded.contains("let __options = __start.guard_by(&self.tokens.lock().start.clone());"),
        "{expanded}"
    );
}

#[test]
fn what_names_the_token() {
    let names = |body: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(start),
            quote!(async fn start(t: CancellationToken) { #body }),
        );
        expanded.contains(".guard_by_child(")
    };
    assert!(names(quote!(serve(t))));
    assert!(names(quote!(select! { _ = f(t.child_token()) => {} })));
    assert!(names(quote!(println!("{t:?}"))));
    assert!(names(quote!(x(..t))));
    assert!(!names(quote!(self.t.cancel())));
    assert!(!names(quote!(x::t())));
    assert!(!names(quote!(println!("t"))));
}

#[test]
fn the_async_block_at_the_end_holds_the_guard() {
    let expanded = guarded(
        quote!(state = state),
        quote! {
            fn start<'a>(state: &'a StateCell, shutdown: CancellationToken) -> Pin<Box<dyn Future<Output = io::Result<u8>> + 'a>> {
                let port = 80;
                Box::pin(async { bind(port, shutdown).await })
            }
        },
    );
    assert_lines(
        &expanded,
        "
        fn start<'a>(
            state: &'a StateCell,
            shutdown: CancellationToken,
        ) -> Pin<Box<dyn Future<Output = io::Result<u8>> + 'a>> {
            let port = 80;
            Box::pin(async move {
                use ::cancel_guarded::__private as __cancel_guarded;
                let __start = &__cancel_guarded::start(&state);
                let __options = __start.guard_by_child(&shutdown);
                let __on_refused = __cancel_guarded::on_refused_default::<io::Result<u8>>();
                let __output = __options
                    .drive(
                        __on_refused,
                        async move {
                            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                                io::Result<u8>,
                            > {
                                return __ret;
                            }
                            let shutdown = __start.child(shutdown);
                            __cancel_guarded::checked(__start, bind(port, shutdown)).await
                        },
                    )
                    .await;
                match () {
                    #[allow(clippy::implicit_return)]
                    () => __output,
                }
            })
        }
        ",
    );
}

#[test]
fn the_last_expression_is_an_async_block_or_pins_one() {
    let refused = |tail: proc_macro2::TokenStream| {
        let item = quote!(fn start(t: CancellationToken) -> BoxFuture<'static, ()> { #tail });
        super::errors(quote!(), item)
    };
    let block = quote!(async { bind().await });
    let group = TokenTree::from(Group::new(Delimiter::None, block.clone()));
    for tail in [
        quote!(#block),
        quote!(#group),
        quote!((#block)),
        quote!(Box::pin(#block)),
        quote!(std::boxed::Box::pin((#block))),
    ] {
        assert_eq!(refused(tail), [] as [&str; 0]);
    }
    for tail in [
        quote!(#block;),
        quote!(boxed(#block)),
        quote!(Box::new(#block)),
        quote!(Rc::pin(#block)),
        quote!(pin(#block)),
        quote!(Box::pin(#block, 1)),
        quote!((self.pin)(#block)),
    ] {
        assert_eq!(refused(tail).len(), 1);
    }
}

#[test]
fn a_method_under_async_trait_keeps_what_it_was_given() {
    let expanded = guarded(
        quote!(state = self.state),
        quote! {
            fn start<'life0, 'async_trait>(&'life0 self, shutdown: CancellationToken)
                -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'async_trait>>
            {
                Box::pin(async move {
                    if let Some(__ret) = None::<Result<(), Error>> { return __ret; }
                    let __self = self;
                    let shutdown = shutdown;
                    let __ret: Result<(), Error> = {
                        __self.state.store(Phase::Up);
                        shutdown.wait().await;
                        bind().await?;
                        Ok(())
                    };
                    __ret
                })
            }
        },
    );
    assert!(expanded.contains("::start(&self.state);"), "{expanded}");
    assert!(
        expanded.contains("__cancel_guarded::Start::store(__start, Phase::Up);"),
        "{expanded}"
    );
    assert!(expanded.contains("let shutdown = __start.child(shutdown);"));
    assert!(
        expanded.contains("checked(__start, bind()).await?;"),
        "{expanded}"
    );
}

#[test]
fn a_method_under_async_trait_may_return_nothing() {
    let expanded = guarded(
        quote!(),
        quote! {
            fn start(&self, t: CancellationToken) -> BoxFuture<'_, ()> {
                Box::pin(async move {
                    let __self = self;
                    let t = t;
                    let _: () = { join!(bind()); join!(open()); };
                })
            }
        },
    );
    // Nothing is checked after the last statement of the body.
    assert_eq!(expanded.matches("checkpoint").count(), 1, "{expanded}");
    assert!(!expanded.contains(".guard_by_child("), "{expanded}");
}

#[test]
fn the_wrapper_of_instrument_is_seen_through() {
    let wrapped = [
        quote!(async move {
            #[allow(x)]
            if false {
                let __tracing_attr_fake_return: R = loop {};
                return __tracing_attr_fake_return;
            }
            {
                bind().await?;
                Ok(())
            }
        }),
        quote!(async move {
            match async move {
                bind().await?;
                Ok(())
            }
            .await
            {
                Ok(x) => Ok(x),
                Err(e) => Err(e),
            }
        }),
        quote!(async move {
            let x = async move {
                bind().await?;
                Ok(())
            }
            .await;
            x
        }),
    ];
    for future in wrapped {
        let expanded = guarded(
            quote!(),
            quote! {
                async fn start(shutdown: CancellationToken) -> R {
                    let __tracing_attr_span = tracing::span!(shutdown);
                    let __tracing_instrument_future = #future;
                    if !__tracing_attr_span.is_disabled() {
                        Instrument::instrument(__tracing_instrument_future, __tracing_attr_span).await
                    } else {
                        __tracing_instrument_future.await
                    }
                }
            },
        );
        assert!(
            expanded.contains("checked(__start, bind()).await?;"),
            "{expanded}"
        );
        assert!(!expanded.contains(".guard_by_child("), "{expanded}");
    }
}

#[test]
fn the_hint_of_instrument_is_told_from_the_user_s_own() {
    let is_checked = |hint: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(),
            quote! {
                async fn start(shutdown: CancellationToken) {
                    let __tracing_instrument_future = async move {
                        if false { #hint }
                        { join!(bind()); }
                    };
                    __tracing_instrument_future.await
                }
            },
        );
        expanded.contains("checkpoint(__start)")
    };
    // Nothing is checked after the last statement of the body, which is that of the block here,
    assert!(!is_checked(quote!(
        let __tracing_attr_fake_return: R = loop {};
        return __tracing_attr_fake_return;
    )));
    // and not here.
    assert!(is_checked(quote!(
        let x = 1;
        return;
    )));
}

#[test]
fn a_body_that_does_not_parse_is_guarded_whole() {
    let block = quote! {{ bind().await; let half = ; }};
    let output = crate::driver::cancel_guarded(
        quote!(),
        quote!(async fn start(shutdown: CancellationToken) #block),
    );
    let output = output.to_string();
    assert!(
        output.contains("drive (__on_refused , async move"),
        "{output}"
    );
    assert!(output.contains(&block.to_string()), "{output}");
    assert!(!output.contains("compile_error"), "{output}");
}

#[test]
fn a_body_that_a_macro_passes_on_is_a_body() {
    let block = quote! {{ (bind()).await?; Ok(()) }};
    let start = |block: &dyn quote::ToTokens| {
        guarded(
            quote!(),
            quote!(async fn start(shutdown: CancellationToken) -> R #block),
        )
    };
    let passed = TokenTree::from(Group::new(Delimiter::None, block.clone()));
    let twice = TokenTree::from(Group::new(Delimiter::None, passed.clone().into()));
    let plain = start(&block);
    assert!(plain.contains("checked(__start, ((bind())))"), "{plain}");
    assert_eq!(start(&passed), plain);
    assert_eq!(start(&twice), plain);
}

#[test]
fn a_pinned_block_that_does_not_parse_is_left_to_rustc() {
    let item = quote! {
        fn start(t: CancellationToken) -> BoxFuture<'static, ()> {
            Box::pin(async move { let half = ; })
        }
    };
    let output = crate::driver::cancel_guarded(quote!(), item.clone()).to_string();
    assert_eq!(output, quote!(#[allow(unused)] #item).to_string());
}

#[test]
fn an_opaque_type_is_inferred_in_the_body() {
    let expanded = guarded(
        quote!(),
        quote!(
            async fn start(t: CancellationToken) -> Result<(impl Sized, Vec<impl Sized>), Error> {}
        ),
    );
    assert!(
        expanded.contains("Result<(_, Vec<_>), Error>,"),
        "{expanded}"
    );
    let whole = guarded(
        quote!(),
        quote!(
            async fn start(t: CancellationToken) -> impl Sized {}
        ),
    );
    assert!(whole.contains("on_refused_default::<_>()"), "{whole}");
    assert!(!whole.contains("return __ret;"), "{whole}");
}

#[test]
fn a_shadowed_token_before_the_async_block_is_an_owned_one() {
    let expanded = guarded(
        quote!(),
        quote! {
            fn start(mut t: &CancellationToken) -> impl Future<Output = ()> {
                let t = t.clone();
                async move { serve(t) }
            }
        },
    );
    assert!(expanded.contains("let t = __start.child(t);"), "{expanded}");

    let expanded = guarded(
        quote!(),
        quote! {
            fn start(mut t: &CancellationToken) -> impl Future<Output = ()> {
                async move { serve(t) }
            }
        },
    );
    assert!(
        expanded.contains("let mut t = &__start.child(t);"),
        "{expanded}"
    );
    assert!(
        expanded.contains("fn start(t: &CancellationToken)"),
        "{expanded}"
    );
}

#[test]
fn a_token_that_changes_at_the_call_stays_mutable_there() {
    let expanded = guarded(
        quote!(),
        quote! {
            fn start(mut t: CancellationToken) -> impl Future<Output = ()> {
                t = t.child_token();
                async move { serve(t) }
            }
        },
    );
    assert!(
        expanded.contains("fn start(mut t: CancellationToken)"),
        "{expanded}"
    );
    assert!(
        expanded.contains("let mut t = __start.child(t);"),
        "{expanded}"
    );
}

#[test]
fn only_an_empty_body_needs_a_semicolon_of_ours() {
    let ends_the_hint = |body: proc_macro2::TokenStream| {
        let item = quote!(async fn start(t: &CancellationToken) { #body });
        let expanded = crate::driver::cancel_guarded(quote!(), item).to_string();
        expanded.contains("return __ret ; } ;")
    };
    assert!(ends_the_hint(quote!()));
    assert!(!ends_the_hint(quote!(bind();)));
    assert!(!ends_the_hint(quote!(bind())));
}
