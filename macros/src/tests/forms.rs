//! Each form of start function: where the guard goes, and how the parameters get into it.

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
            let __attempt = &crate::guard::__private::attempt(&self.state);
            let __start = __attempt
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
                    __attempt.store(Phase::Up);
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
            let __attempt = &::cancel_guarded::__private::attempt(&__cell);
            let __start = __attempt.start(&self.tokens.lock().start.clone()).refusing::<()>();
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
        let shutdown = __attempt.child(shutdown);
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
fn a_token_that_nobody_else_names_is_the_guards_to_keep() {
    let by_value = guarded(
        quote!(),
        quote! {
            async fn start(&self, shutdown: CancellationToken) { body(); }
        },
    );
    assert!(by_value.contains(".start_owned(shutdown)"), "{by_value}");
    assert!(!by_value.contains("&shutdown"), "{by_value}");
}

#[test]
fn a_token_that_the_body_does_not_name_is_captured_as_it_is() {
    let shared = moved_in(quote! {
        async fn start(&self, shutdown: Arc<CancellationToken>) { body(); }
    });
    assert!(shared.contains("let _ = &shutdown;"), "{shared}");
    let by_reference = moved_in(quote! {
        async fn start(&self, shutdown: &CancellationToken) { body(); }
    });
    let (_, body) = by_reference.split_once('{').expect("a block");
    assert!(!body.contains("let "), "{by_reference}");

    // The closure of `on_refused` wants it too.
    let refused = guarded(
        quote!(on_refused = |_| shutdown.cancel()),
        quote! {
            async fn start(&self, shutdown: CancellationToken) { body(); }
        },
    );
    assert!(refused.contains(".start(&shutdown)"), "{refused}");
}

#[test]
fn a_child_token_has_the_form_of_the_parameter() {
    let forms = [
        (quote!(CancellationToken), "let t = __attempt.child(t);"),
        (
            quote!(Arc<CancellationToken>),
            "let t = __attempt.child(t);",
        ),
        (
            quote!(Option<Arc<CancellationToken>>),
            "let t = __attempt.child(t);",
        ),
        (quote!(&CancellationToken), "let t = &__attempt.child(t);"),
        (
            quote!(&&Option<CancellationToken>),
            "let t = &&__attempt.child(t);",
        ),
        (
            quote!(Option<&tokio_util::sync::CancellationToken>),
            "let t = __attempt.child(t); let t = t.as_ref();",
        ),
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
        expanded.contains(".with_child()")
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
                let __attempt = &::cancel_guarded::__private::attempt(&state);
                let __start = __attempt
                    .start(&shutdown)
                    .with_child()
                    .refusing::<io::Result<u8>>();
                __start
                    .run(async move {
                        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                            io::Result<u8>,
                        > {
                            return __ret;
                        }
                        let shutdown = __attempt.child(shutdown);
                        ::cancel_guarded::__private::watch(__attempt, bind(port, shutdown)).await
                    })
                    .await
            })
        }
        ",
    );
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
    assert!(
        expanded.contains("__attempt.store(Phase::Up);"),
        "{expanded}"
    );
    assert!(expanded.contains("let shutdown = __attempt.child(shutdown);"));
    assert!(
        expanded.contains("watch(__attempt, bind()).await?;"),
        "{expanded}"
    );
    assert!(
        expanded.contains("checkpoint(__attempt).await;"),
        "{expanded}"
    );
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
            expanded.contains("watch(__attempt, bind()).await?;"),
            "{expanded}"
        );
        assert!(!expanded.contains(".with_child()"), "{expanded}");
    }
}

#[test]
fn a_body_that_does_not_parse_is_guarded_whole() {
    let block = quote! {{ bind().await; let half = ; }};
    let output = crate::expand::cancel_guarded(
        quote!(),
        quote!(async fn start(shutdown: CancellationToken) #block),
    );
    let output = output.to_string();
    assert!(output.contains("run (async move"), "{output}");
    assert!(output.contains(&block.to_string()), "{output}");
    assert!(!output.contains("compile_error"), "{output}");
}

#[test]
fn a_documented_start_says_how_it_is_cancelled() {
    let expanded = guarded(
        quote!(state = self.state, restart),
        quote! {
            /// Binds the port.
            async fn start(&self, shutdown: CancellationToken) {
                self.state.store(Phase::Migrating);
                #[shielded]
                migrate().await;
                serve(shutdown);
            }
        },
    );
    let docs: Vec<&str> = expanded
        .lines()
        .filter_map(|line| line.trim().strip_prefix("///"))
        .collect();
    assert_eq!(docs.first(), Some(&" Binds the port."));
    assert_eq!(docs.get(2), Some(&" # Cancellation"));
    let docs = docs.join("\n");
    for part in [
        "`shutdown`",
        "shielded",
        "`self.state`",
        "`STOPPED`",
        "`Phase::Migrating`",
        "child",
    ] {
        assert!(docs.contains(part), "{part} in {docs}");
    }

    let bare = guarded(
        quote!(),
        quote!(
            async fn start(shutdown: CancellationToken) {}
        ),
    );
    assert!(!bare.contains("///"), "{bare}");
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
    assert!(
        expanded.contains("let t = __attempt.child(t);"),
        "{expanded}"
    );

    let expanded = guarded(
        quote!(),
        quote! {
            fn start(mut t: &CancellationToken) -> impl Future<Output = ()> {
                async move { serve(t) }
            }
        },
    );
    assert!(
        expanded.contains("let mut t = &__attempt.child(t);"),
        "{expanded}"
    );
    assert!(
        expanded.contains("fn start(t: &CancellationToken)"),
        "{expanded}"
    );
}
