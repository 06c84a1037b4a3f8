//! How each parameter gets into the body, and what the arguments of the attribute see of it.

use proc_macro2::{Delimiter, Group, TokenTree};
use quote::quote;

use super::{assert_lines, guarded};

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
        "(move |e| no(&name, e));"
    );
    assert_eq!(
        on_refused(refused.clone(), start(quote!(bind(name)))),
        "({ let name=::core::clone::Clone::clone(&name);move |e| no(&name, e) });"
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
        "(|e| no(&name, e));"
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
        "(move |__error| make(__error));"
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
        "({ let __self=::core::clone::Clone::clone(&self);move |e| no(__self.name, e) });"
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
        "(move |e| no(self.name, e));"
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
        async fn start(
            mut self,
            cfg: Config,
            n: u64,
            shutdown: CancellationToken,
            name: &str,
            (a, b): (A, B),
            __arg6: Rest,
            #[cfg(doc)]
            _: Guard,
            #[cfg(not(doc))]
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
fn a_mut_self_that_is_assigned_to_is_a_variable_of_the_body() {
    let expanded = guarded(
        quote!(),
        quote! {
            async fn start(mut self, t: &CancellationToken) {
                self.x = 1;
                log!(self.x);
                fn f(&self) { self.x }
            }
        },
    );
    for line in [
        "async fn start(self, t: &CancellationToken)",
        "let mut __self = self;",
        "__self.x = 1;",
        "log!(__self.x);",
        "fn f(&self) {",
    ] {
        assert!(expanded.contains(line), "{line} is not in {expanded}");
    }
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
        struct __Field_a<T> {
            a: T,
        }
        let __Field_a { a } = __Field_a { a };
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
