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
            let __start = &crate::guard::__private::attempt(&self.state);
            let __start = __start
                .start(&self.token)
                .restart()
                .shielded()
                .refused_by::<Result<(), Error>, _>(|_| Ok(()));
            __start
                .run(async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Result<(), Error>,
                    > {
                        return __ret;
                    }
                    __start.store(Phase::Up);
                    serve().await
                })
                .await
        }
        ",
    );
}

#[test]
fn temporaries_of_the_arguments_end_before_the_start_begins() {
    let expanded = guarded(
        quote!(token = self.tokens.lock().start.clone()),
        quote!(
            async fn start(&self) {}
        ),
    );
    assert_lines(
        &expanded,
        "
        async fn start(&self) {
            let __cell = ::cancel_guarded::__private::unpublished();
            let __start = &::cancel_guarded::__private::attempt(&__cell);
            let __start = __start.start(&self.tokens.lock().start.clone()).refusing::<()>();
            __start
                .run(async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        (),
                    > {
                        return __ret;
                    }
                })
                .await
        }
        ",
    );
}

/// The signature, and the statements before the user's body.
fn moved_in(item: proc_macro2::TokenStream) -> String {
    let expanded = guarded(quote!(), item);
    let (signature, rest) = expanded.split_once("let __cell").expect("a call");
    let (_, rest) = rest.split_once("return __ret;").expect("a hint");
    let (stmts, _) = rest.split_once("body();").expect("the body");
    let stmts = stmts.trim().trim_start_matches('}');
    format!("{signature}\n{stmts}")
}

#[test]
fn parameters_are_moved_in_whole_and_in_order() {
    let moved = moved_in(quote! {
        async fn start(
            mut self,
            cfg: Config,
            mut n: u64,
            shutdown: CancellationToken,
            name: &str,
            (a, mut b): (A, B),
            Rest { c, .. }: Rest,
            _: Guard,
            #[cfg(feature = "extra")] extra: Extra,
        ) {
            body();
            shutdown;
        }
    });
    assert_lines(
        &moved,
        r#"
        #[allow(unused_assignments)]
        async fn start(
            mut self,
            cfg: Config,
            n: u64,
            shutdown: CancellationToken,
            name: &str,
            (a, b): (A, B),
            __arg6: Rest,
            __arg7: Guard,
            #[cfg(feature = "extra")]
            extra: Extra,
        ) {
        let _ = &self;
        let cfg = cfg;
        let mut n = n;
        let shutdown = __start.child(shutdown);
        let a = a;
        let mut b = b;
        let __arg6 = __arg6;
        let Rest { c, .. } = __arg6;
        let __arg7 = __arg7;
        #[cfg(feature = "extra")]
        let extra = extra;
        "#,
    );
}

#[test]
fn patterns_stay_if_they_leave_nothing_behind() {
    let moved = moved_in(quote! {
        async fn start(
            (t): &CancellationToken,
            (cfg): Config,
            (Named { a, b: (mut b) }, Unnamed(c)): Pair,
            &d: &u8,
            Named { e: ref f, .. }: Named,
            Unnamed(.., g): Unnamed,
            ref h: H,
            (ref mut i, _): (I, J),
            (mut k, _): (K, L),
        ) {
            body();
            t;
        }
    });
    assert_lines(
        &moved,
        "
        async fn start(
            (t): &CancellationToken,
            (cfg): Config,
            (Named { a, b: (b) }, Unnamed(c)): Pair,
            &d: &u8,
            __arg4: Named,
            __arg5: Unnamed,
            __arg6: H,
            __arg7: (I, J),
            __arg8: (K, L),
        ) {
        let t = &__start.child(t);
        let cfg = cfg;
        let a = a;
        let mut b = b;
        let c = c;
        let __arg4 = __arg4;
        let Named { e: ref f, .. } = __arg4;
        let __arg5 = __arg5;
        let Unnamed(.., g) = __arg5;
        let __arg6 = __arg6;
        let ref h = __arg6;
        let mut __arg7 = __arg7;
        let (ref mut i, _) = __arg7;
        let __arg8 = __arg8;
        let (mut k, _) = __arg8;
        ",
    );
}

#[test]
fn a_mutable_token_in_parentheses_is_mutable_in_the_body() {
    let moved = moved_in(quote! {
        async fn start((mut t): CancellationToken) { body(); t; }
    });
    assert!(moved.contains("let mut t = __start.child(t);"), "{moved}");
}

#[test]
fn what_is_expected_of_a_parameter_is_expected_of_what_takes_its_place() {
    let moved = moved_in(quote! {
        async fn start(
            t: &CancellationToken,
            #[expect(unused_mut)] mut n: u64,
            #[expect(unused_variables)] name: &str,
            #[allow(unused_variables)] #[doc(hidden)] cfg: Config,
        ) {
            body();
        }
    });
    assert_lines(
        &moved,
        "
        async fn start(
            t: &CancellationToken,
            n: u64,
            #[expect(unused_variables)]
            name: &str,
            #[allow(unused_variables)]
            #[doc(hidden)]
            cfg: Config,
        ) {
        #[expect(unused_mut)]
        let mut n = n;
        #[allow(unused_variables)]
        let cfg = cfg;
        ",
    );
}

#[test]
fn a_token_that_nobody_else_names_is_the_guards_to_keep() {
    for form in [
        quote!(CancellationToken),
        quote!(&CancellationToken),
        quote!(Arc<CancellationToken>),
        quote!(Option<&CancellationToken>),
    ] {
        let expanded = guarded(
            quote!(),
            quote! {
                async fn start(&self, shutdown: #form) { body(); }
            },
        );
        assert!(expanded.contains(".start_owned(shutdown)"), "{expanded}");
        assert!(!expanded.contains("&shutdown"), "{expanded}");
    }
}

#[test]
fn a_token_that_somebody_else_names_is_captured_as_it_is() {
    // The closure of `on_refused` wants it too.
    let refused = guarded(
        quote!(on_refused = |_| shutdown.cancel()),
        quote! {
            async fn start(&self, shutdown: CancellationToken) { body(); }
        },
    );
    assert!(refused.contains(".start(&shutdown)"), "{refused}");
    assert!(refused.contains("let _ = &shutdown;"), "{refused}");
}

#[test]
fn a_cell_that_the_body_only_stores_to_is_captured_as_it_is() {
    let expanded = guarded(
        quote!(state = state),
        quote!(
            async fn start(state: StateCell, t: &CancellationToken) {
                state.store(Phase::Up);
            }
        ),
    );
    assert!(expanded.contains("let _ = &state;"), "{expanded}");
    let expanded = guarded(
        quote!(state = state),
        quote!(
            async fn start(state: StateCell, t: &CancellationToken) {
                state.store(Phase::Up);
                state.is_running();
            }
        ),
    );
    assert!(!expanded.contains("let _ = &state;"), "{expanded}");
}

#[test]
fn a_child_token_has_the_form_of_the_parameter() {
    // As a `$token:ty` of a macro comes.
    let passed_on = TokenTree::from(Group::new(Delimiter::None, quote!(CancellationToken)));
    let forms = [
        (quote!(CancellationToken), "let t = __start.child(t);"),
        (quote!(Arc<CancellationToken>), "let t = __start.child(t);"),
        (
            quote!(Option<Arc<CancellationToken>>),
            "let t = __start.child(t);",
        ),
        (quote!(&CancellationToken), "let t = &__start.child(t);"),
        (
            quote!(&&Option<CancellationToken>),
            "let t = &&__start.child(t);",
        ),
        (
            quote!(Option<&tokio_util::sync::CancellationToken>),
            "let t = __start.child(t); let t = t.as_ref();",
        ),
        (
            quote!(&Option<&Arc<CancellationToken>>),
            "let t = __start.child(t); let t = &t.as_ref();",
        ),
        (quote!((CancellationToken)), "let t = __start.child(t);"),
        (quote!(#passed_on), "let t = __start.child(t);"),
    ];
    for (ty, child) in forms {
        let moved = moved_in(quote!(async fn start(t: #ty) { body(); t; }));
        let moved = moved.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(moved.ends_with(child), "{moved}");
    }
}

#[test]
fn what_names_the_token() {
    let names = |body: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(),
            quote!(async fn start(t: CancellationToken) { #body }),
        );
        expanded.contains(".guard_by_child(")
    };
    assert!(names(quote!(serve(t))));
    assert!(names(quote!(select! { _ = t.cancelled_later() => {} })));
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
                let __cell = ::cancel_guarded::__private::cell(&state);
                let __start = &::cancel_guarded::__private::attempt(&__cell);
                let __start = __start.guard_by_child(&shutdown).refusing::<io::Result<u8>>();
                __start
                    .run(async move {
                        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                            io::Result<u8>,
                        > {
                            return __ret;
                        }
                        let shutdown = __start.child(shutdown);
                        ::cancel_guarded::__private::checked(__start, bind(port, shutdown)).await
                    })
                    .await
            })
        }
        ",
    );
}

#[test]
fn the_last_expression_is_an_async_block_or_pins_one() {
    let refused = |tail: proc_macro2::TokenStream| {
        let item = quote!(fn start(t: CancellationToken) -> F { #tail });
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
    assert!(expanded.contains("::attempt(&self.state);"), "{expanded}");
    assert!(expanded.contains("__start.store(Phase::Up);"), "{expanded}");
    assert!(expanded.contains("let shutdown = __start.child(shutdown);"));
    assert!(
        expanded.contains("checked(__start, bind()).await?;"),
        "{expanded}"
    );
    assert!(
        expanded.contains("checkpoint(__start).await;"),
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
                    let _: () = { bind().await; listen().await; };
                })
            }
        },
    );
    // Nothing is checked behind the last statement of the body.
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
                        { bind().await; }
                    };
                    __tracing_instrument_future.await
                }
            },
        );
        expanded.contains("checkpoint(__start)")
    };
    // Nothing is checked behind the last statement of the body, which is that of the block here,
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
    assert!(output.contains("run (async move"), "{output}");
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
        expanded.contains(".refusing::<Result<(_, Vec<_>), Error>>()"),
        "{expanded}"
    );
    let whole = guarded(
        quote!(),
        quote!(
            async fn start(t: CancellationToken) -> impl Sized {}
        ),
    );
    assert!(whole.contains(".refusing::<_>()"), "{whole}");
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
fn a_cell_behind_a_shared_reference_is_borrowed() {
    let borrows = |receiver: proc_macro2::TokenStream, state: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(state = #state),
            quote!(
                async fn start(#receiver, shared: &Server, owned: Server, t: CancellationToken) {}
            ),
        );
        expanded.contains(&format!("__private::attempt(&{});", super::one_line(state)))
    };
    assert!(borrows(quote!(&self), quote!(self.inner.state)));
    assert!(borrows(quote!(self: &Self), quote!(self.state)));
    assert!(borrows(quote!(self), quote!(shared.state)));
    // What the body may move away, or give another value, is not there to be borrowed.
    assert!(!borrows(quote!(self), quote!(self.state)));
    assert!(!borrows(quote!(&mut self), quote!(self.state)));
    assert!(!borrows(quote!(self: Arc<Self>), quote!(self.state)));
    assert!(!borrows(quote!(self: &mut Self), quote!(self.state)));
    assert!(!borrows(quote!(&self), quote!(owned.state)));
    assert!(!borrows(quote!(&self), quote!(self.state())));
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
