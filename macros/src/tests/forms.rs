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
            let __options = __start.guard_by(&self.token).restart().shielded().run();
            let __on_refused = __cancel_guarded::on_refused::<Result<(), Error>, _>(|_| Ok(()));
            __options
                .drive(
                    __on_refused,
                    async move {
                        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                            Result<(), Error>,
                        > {
                            return __ret;
                        }
                        __start.store(Phase::Up);
                        serve().await
                    },
                )
                .await
        }
        ",
    );
}

#[test]
fn a_run_says_who_publishes_it() {
    let options = |args: proc_macro2::TokenStream, body: proc_macro2::TokenStream| {
        let expanded = guarded(
            args,
            quote!(async fn run(&self, shutdown: CancellationToken) { #body }),
        );
        let options = expanded.lines().find(|line| line.contains("__options = "));
        options.expect("the options").trim().to_owned()
    };
    let published =
        |options: &str| format!("let __options = __start.guard_by(&shutdown){options};");
    let start = options(quote!(start, state = self.state), quote!(bind().await;));
    assert_eq!(start, published(""));
    for body in [
        quote!(self.state.store(Lifecycle::Running);),
        quote!(self.state.store(Phase::Up);),
        quote!(self.state.store(next());),
        quote!(let up = self.state.publisher(); up.publish();),
    ] {
        assert_eq!(
            options(quote!(run, state = self.state), body),
            published(".run()")
        );
    }
    for body in [
        quote!(bind().await;),
        quote!(self.state.store(Lifecycle::Stopping);),
        quote!(self.other.store(Lifecycle::Running);),
    ] {
        assert_eq!(
            options(quote!(run, state = self.state), body),
            published(".run_published()")
        );
    }
    assert_eq!(
        options(quote!(run), quote!(bind().await;)),
        published(".run_stateless()")
    );
}

#[test]
fn what_looks_like_a_run_and_publishes_itself_is_one() {
    let is_run = |body: proc_macro2::TokenStream| {
        let expanded = guarded(
            quote!(state = self.state),
            quote!(async fn start(&self, t: CancellationToken) { #body }),
        );
        expanded.contains(".run()")
    };
    assert!(is_run(
        quote!(self.state.store(Lifecycle::Running); t.cancelled().await;)
    ));
    assert!(is_run(
        quote!(let up = self.state.publisher(); monitor(t, up).await;)
    ));
    // A step of its own does not make a run of a start.
    assert!(!is_run(
        quote!(self.state.store(Phase::Loading); load().await;)
    ));
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
            __options
                .drive_sync(
                    __on_refused,
                    move || {
                        let mut n = n;
                        let shutdown = __start.child(shutdown);
                        n = bind(n)?;
                        tokio::spawn(self.state.serve(accept(shutdown)));
                        return Ok(n);
                    },
                )
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
fn the_caller_s_own_token_has_a_name_beside_its_child() {
    let lines = |ty: proc_macro2::TokenStream| {
        super::body_lines(
            quote!(caller = all),
            quote!(async fn start(mut t: #ty) { serve(t); all.cancel(); }),
        )
    };
    let expected =
        |child: &str| ["let all=t;", child, "serve(t);", "all.cancel();"].map(str::to_owned);
    assert_eq!(
        lines(quote!(CancellationToken)),
        expected("let mut t=__start.child(&all);")
    );
    assert_eq!(
        lines(quote!(&CancellationToken)),
        expected("let mut t=&__start.child(&all);")
    );
    let unused = super::body_lines(
        quote!(caller = all),
        quote!(
            async fn start(t: CancellationToken) {
                all.cancel();
            }
        ),
    );
    assert_eq!(unused, ["let all=t;", "all.cancel();"]);
}

#[test]
fn the_closure_of_on_refused_owns_what_it_uses() {
    let on_refused = |on_refused: proc_macro2::TokenStream, item: proc_macro2::TokenStream| {
        let function: syn::ItemFn = syn::parse2(crate::driver::cancel_guarded(
            quote!(on_refused = #on_refused),
            item,
        ))
        .expect("one function");
        let lines = function.block.stmts.iter().map(super::one_line);
        let line = lines
            .into_iter()
            .find(|line| line.starts_with("let __on_refused"));
        let line = line.expect("the closure");
        let (_, made) = line.split_once("on_refused::<R, _>").expect("a call");
        made.to_owned()
    };
    let refused = quote!(|e| no(&name, e));
    let start = |body: proc_macro2::TokenStream| quote!(async fn start(name: String, t: &CancellationToken) -> R { #body });
    assert_eq!(
        on_refused(refused.clone(), start(quote!(bind()))),
        "(move|e|no(&name, e));"
    );
    assert_eq!(
        on_refused(refused.clone(), start(quote!(bind(name)))),
        "({ let name=::core::clone::Clone::clone(&name);move|e|no(&name, e) });"
    );
    // A reference is captured as it is written.
    assert_eq!(
        on_refused(
            refused.clone(),
            quote!(
                async fn start(name: &str, t: &CancellationToken) -> R {
                    bind(name)
                }
            )
        ),
        "(|e|no(&name, e));"
    );
    assert_eq!(
        on_refused(
            quote!(make),
            quote!(
                async fn start(make: F, t: &CancellationToken) -> R {
                    bind()
                }
            )
        ),
        "(move|__error|make(__error));"
    );
    assert_eq!(
        on_refused(
            quote!(|e| no(self.name, e)),
            quote!(
                async fn start(self: Arc<Self>, t: &CancellationToken) -> R {
                    self.bind()
                }
            )
        ),
        "({ let __self=::core::clone::Clone::clone(&self);move|e|no(__self.name, e) });"
    );
    assert_eq!(
        on_refused(
            quote!(|e| no(self.name, e)),
            quote!(
                async fn start(self, t: &CancellationToken) -> R {
                    bind()
                }
            )
        ),
        "(move|e|no(self.name, e));"
    );
    // What is no closure runs at the call, and clones what it needs.
    assert_eq!(
        on_refused(quote!(refusal(&name)), start(quote!(bind(name)))),
        "(refusal(&name));"
    );
}

#[test]
fn a_pattern_that_is_matched_in_the_body_is_borrowed_for_the_arguments() {
    let expanded = guarded(
        quote!(state = state, token = shutdown),
        quote! {
            async fn start(
                Context { state, mut n, .. }: Context,
                (shutdown, _): (CancellationToken, u8),
            ) {
                n += 1;
            }
        },
    );
    let (_, rest) = expanded
        .split_once("as __cancel_guarded;")
        .expect("an import");
    let (lets, rest) = rest.split_once("let __on_refused").expect("a start");
    assert_lines(
        lets,
        "
        let Context { state, n: _, .. } = &__arg0;
        let (shutdown, _) = &__arg1;
        let __start = &__cancel_guarded::start(&state);
        let __options = __start.guard_by(&shutdown);
        ",
    );
    let (_, rest) = rest.split_once("return __ret;").expect("a hint");
    let (body, _) = rest
        .trim()
        .trim_start_matches('}')
        .split_once("n += 1")
        .expect("the body");
    assert_lines(
        body,
        "
        let __arg0 = __arg0;
        let Context { state, mut n, .. } = __arg0;
        let _ = &state;
        let __arg1 = __arg1;
        let (shutdown, _) = __arg1;
        let _ = &shutdown;
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
    assert!(
        expanded.contains("let __options = __start.guard_by(&self.tokens.lock().start.clone());"),
        "{expanded}"
    );
}

/// The signature, and the statements before the user's body.
fn moved_in(item: proc_macro2::TokenStream) -> String {
    let expanded = guarded(quote!(), item);
    let (signature, rest) = expanded.split_once("use ::cancel_guarded").expect("a call");
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
fn a_token_that_the_body_does_not_name_is_captured_as_it_is() {
    let expanded = |form: proc_macro2::TokenStream| {
        guarded(
            quote!(),
            quote!(async fn start(&self, shutdown: #form) { body(); }),
        )
    };
    let owned = expanded(quote!(CancellationToken));
    assert!(owned.contains(".guard_by(&shutdown)"), "{owned}");
    assert!(owned.contains("let _ = &shutdown;"), "{owned}");
    let borrowed = expanded(quote!(&CancellationToken));
    assert!(!borrowed.contains("let _ = &shutdown;"), "{borrowed}");
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
                __options
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
                    .await
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
                    let _: () = { bind().await; open().await; };
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
