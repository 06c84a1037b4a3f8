//! Functions and bodies that cannot be guarded: what is said, and what is left.

use proc_macro2::TokenStream;
use quote::quote;

use super::{errors, guarded};

/// The one error of an item begins with this.
#[track_caller]
fn assert_refused(args: TokenStream, item: TokenStream, message: &str) {
    let errors = errors(args, item);
    assert!(
        errors.len() == 1 && errors.iter().all(|error| error.starts_with(message)),
        "{errors:#?}"
    );
}

#[track_caller]
fn assert_body_refused(body: TokenStream, message: &str) {
    assert_refused(
        quote!(state = state),
        quote!(async fn start(state: StateCell, token: CancellationToken) { #body }),
        message,
    );
}

#[test]
fn what_is_no_start() {
    let cases = [
        (
            quote!(
                struct S;
            ),
            "`#[cancel_guarded]` guards a start function",
        ),
        (
            quote!(impl S { async fn start(t: CancellationToken) {} }),
            "`#[cancel_guarded]` guards a start function",
        ),
        (
            quote!(
                fn start(t: CancellationToken) {}
            ),
            "`#[cancel_guarded]` guards a start that waits",
        ),
        (
            quote!(
                fn start(t: CancellationToken) {
                    tokio::spawn(run(t));
                }
            ),
            "this function returns before",
        ),
        (
            quote!(
                fn start(t: CancellationToken) {
                    spawn_local(run(t));
                }
            ),
            "this function returns before",
        ),
        (
            quote!(
                fn start(t: CancellationToken) {
                    runtime.spawn_blocking(run);
                }
            ),
            "this function returns before",
        ),
        (
            quote!(
                fn start(t: CancellationToken) {
                    run(t);
                }
            ),
            "`#[cancel_guarded]` guards a start that waits",
        ),
        (
            quote!(async fn start(t: ) {}),
            "`#[cancel_guarded]` cannot read this signature yet; complete it",
        ),
        (
            quote!(
                const fn start(t: CancellationToken) {}
            ),
            "a `const fn` cannot wait",
        ),
        (
            quote!(
                async extern "C" fn start(t: CancellationToken) {}
            ),
            "a start with a foreign ABI",
        ),
        (
            quote!(
                async fn start(t: CancellationToken) -> ! {}
            ),
            "a start that never returns",
        ),
        (
            quote!(
                #[cancel_guarded]
                async fn start(t: CancellationToken) {}
            ),
            "`#[cancel_guarded]` is given twice",
        ),
        (
            quote!(
                #[shielded]
                async fn start(t: CancellationToken) {}
            ),
            "`#[shielded]` goes inside the body",
        ),
    ];
    for (item, message) in cases {
        assert_refused(quote!(), item, message);
    }
}

#[test]
fn a_declaration_has_nothing_to_guard() {
    let output = crate::driver::cancel_guarded(
        quote!(),
        quote!(
            async fn start(&self, t: CancellationToken);
        ),
    );
    assert!(
        output
            .to_string()
            .contains("this method has no body to guard")
    );
}

#[test]
fn the_token_must_be_clear() {
    assert_refused(
        quote!(),
        quote!(
            async fn start(n: u8) {}
        ),
        "no parameter is a `CancellationToken`",
    );
    assert_refused(
        quote!(),
        quote!(
            async fn start(a: CancellationToken, b: Option<&CancellationToken>) {}
        ),
        "`a` and `b` are both tokens; say which one guards this start: `token = a`",
    );
    for ty in [
        quote!(Arc<&CancellationToken>),
        quote!(&Arc<&CancellationToken>),
        quote!(Option<&Arc<&CancellationToken>>),
        quote!(Option<Option<&CancellationToken>>),
    ] {
        assert_refused(
            quote!(),
            quote!(async fn start(t: #ty) { t.x() }),
            "the body cannot be given a child of this token in the same form; write `token = t`",
        );
        let unused = quote!(async fn start(t: #ty) {});
        assert_eq!(errors(quote!(), unused), [] as [&str; 0]);
    }
    for ty in [
        quote!(&mut CancellationToken),
        quote!(Option<&mut CancellationToken>),
    ] {
        assert_refused(
            quote!(),
            quote!(async fn start(t: #ty) { t.x() }),
            "nothing about a token needs a `&mut`",
        );
    }
}

#[test]
fn self_needs_a_receiver() {
    assert_refused(
        quote!(state = self.state),
        quote!(
            async fn start(t: CancellationToken) {}
        ),
        "`start` has no `self`",
    );
    let advice = [
        (quote!(self.inner.state), "state = state"),
        (quote!(&self.cell), "state = cell"),
        (quote!(self.cells.clone()), "state = cells"),
        (quote!(cell_of(self)), "state = state"),
    ];
    for (value, advice) in advice {
        assert_refused(
            quote!(state = #value),
            quote!(
                async fn start(t: CancellationToken) {}
            ),
            &format!(
                "`start` has no `self`; give it a parameter for this, and write its name: `{advice}`"
            ),
        );
    }
}

#[test]
fn a_refusal_is_a_function() {
    for value in [
        quote!(5),
        quote!(()),
        quote!(Answer { ok: false }),
        quote!(None),
        quote!(Err(e)),
        quote!(Some(1)),
    ] {
        assert_refused(
            quote!(on_refused = #value),
            quote!(
                async fn start(t: CancellationToken) {}
            ),
            "`on_refused` is a function of the `StartError`",
        );
    }
    for function in [quote!(Err), quote!(refused), quote!(|e| e), quote!(make())] {
        let item = quote!(
            async fn start(t: CancellationToken) {}
        );
        assert_eq!(
            errors(quote!(on_refused = #function), item),
            [] as [&str; 0]
        );
    }
}

#[test]
fn nothing_returned_borrows_from_the_child() {
    let borrows = "this may borrow from `t`";
    assert_refused(
        quote!(),
        quote!(
            async fn start(t: &CancellationToken) -> &str {
                t.x()
            }
        ),
        borrows,
    );
    assert_refused(
        quote!(),
        quote!(
            async fn start<'a>(&self, t: &'a CancellationToken) -> Option<&'a str> {
                t.x()
            }
        ),
        borrows,
    );
    let fine = [
        quote!(
            async fn start(t: &CancellationToken) -> Box<dyn Fn(&str) -> &str> {
                t.x()
            }
        ),
        quote!(
            async fn start(&self, t: &CancellationToken) -> &str {
                t.x()
            }
        ),
        quote!(
            async fn start(t: &CancellationToken) -> &'static str {
                t.x()
            }
        ),
        quote!(
            async fn start(t: &CancellationToken) -> &str {
                ""
            }
        ),
        quote!(
            async fn start(t: &'static CancellationToken) -> &'static str {
                t.x()
            }
        ),
        quote!(
            async fn start(&self, t: &'_ CancellationToken) -> Name<'_> {
                t.x()
            }
        ),
    ];
    for item in fine {
        assert_eq!(errors(quote!(), item), [] as [&str; 0]);
    }
}

#[test]
fn statements_at_the_call_do_not_return_past_the_guard() {
    assert_refused(
        quote!(),
        quote! {
            fn start(t: CancellationToken) -> Pin<Box<dyn Future<Output = ()>>> {
                if t.x() { return Box::pin(async { return; }); }
                let f = || { return 1; };
                Box::pin(async move { return; })
            }
        },
        "this returns past the guard",
    );
}

#[test]
fn a_wrapper_of_another_attribute_is_told_from_the_user_s_own() {
    let foreign = [
        quote!(::trace::frame!(async move { f().await }).await),
        quote!(::trace::frame(async move { f().await }).await),
        quote!(trace::frame(async move { f().await }, ::trace::here!()).await),
        quote!(frame::<::trace::Frame>(async move { f().await }).await),
        quote!(let __span = span(); frame(async move { f().await }, __span).await),
    ];
    for body in foreign {
        assert_refused(
            quote!(),
            quote!(async fn start(t: CancellationToken) { #body }),
            "an attribute above has wrapped the body",
        );
    }
    let own = [
        quote!(timeout(second, async move { f().await }).await),
        quote!(::tokio::time::timeout(second, async { f().await }).await),
        quote!(::tokio::time::sleep(second).await),
        quote!(let x = 1; timeout(second, async move { __self.f(x).await }).await),
        quote!(g(); ::tokio::time::timeout(second, async move { f().await }).await),
        quote!(::tokio::spawn(async move { f().await })),
        quote!(::tokio::spawn(async move { f().await }).await;),
    ];
    for body in own {
        let item = quote!(async fn start(t: CancellationToken) { #body });
        assert_eq!(errors(quote!(), item), [] as [&str; 0], "{body}");
    }
}

#[test]
fn stores_are_the_body_s_own_and_never_of_the_guard_s_states() {
    assert_body_refused(
        quote!(spawn(async { state.store(X) });),
        "only the body itself can store",
    );
    assert_body_refused(
        quote!(let f = || state.store(X);),
        "only the body itself can store",
    );
    assert_body_refused(
        quote!(const { state.store(X) };),
        "only the body itself can store",
    );
    assert_body_refused(
        quote!(
            fn f() {
                state.store(X)
            }
        ),
        "only the body itself can store",
    );
    for (stored, role) in [
        (quote!(Phase::INITIAL), "INITIAL"),
        (quote!(Phase::STARTING), "STARTING"),
        (quote!(Phase::FAILED), "FAILED"),
        (quote!(Lifecycle::Created), "INITIAL"),
        (quote!(cancel_guarded::Lifecycle::Starting), "STARTING"),
        (quote!(Lifecycle::Failed), "FAILED"),
    ] {
        assert_body_refused(
            quote!(state.store(#stored);),
            &format!("`{role}` cannot be stored"),
        );
    }
    for stored in [
        quote!(Phase::Starting),
        quote!(Lifecycle::Running),
        quote!(FAILED),
        quote!(next()),
    ] {
        let item = quote!(
            async fn start(state: StateCell, t: CancellationToken) { state.store(#stored); }
        );
        assert_eq!(errors(quote!(state = state), item), [] as [&str; 0]);
    }
    assert_body_refused(
        quote!(state.store(Phase::Up, SeqCst);),
        "a `cancel_guarded::StateCell` takes a state and no `Ordering`",
    );
}

#[test]
fn one_owner_of_the_cancellation() {
    let two = "the guard ends this start when it is cancelled, and this would too";
    assert_body_refused(quote!(token.cancelled().await), two);
    assert_body_refused(quote!(token.clone().cancelled_owned().await), two);
    assert_body_refused(quote!(token.run_until_cancelled(f()).await), two);
    assert_body_refused(quote!(tokio::select! { _ = token.cancelled() => {} }), two);
    assert_body_refused(
        quote!(tokio::select! { _ = token.clone().cancelled_owned() => {} }),
        two,
    );
    assert_body_refused(quote!(join!(timeout(d, token.cancelled()))), two);
    let fine = [
        quote!(spawn(async move { token.cancelled().await })),
        quote!(select! { _ = async { token.cancelled().await } => {} }),
        quote!(select! { _ = async move { token.cancelled().await } => {} }),
        quote!(select! { _ = other.cancelled() => {} }),
        quote!(spawn(async {
            select! { _ = token.cancelled() => {} }
        })),
        quote!(#[shielded] token.cancelled().await;),
        quote!(
            #[shielded]
            select! { _ = token.cancelled() => {} }
        ),
        quote!(debug!(token.cancelled())),
        quote!(select! { _ = f(token.clone(), other.cancelled()) => {} }),
        quote!(select! { _ = token.child_token().cancelled() => {} }),
        quote!(select! { _ = token.clone().child_token().cancelled() => {} }),
        quote!(token.of_another().cancelled().await),
        quote!(state.store(Up); token.cancelled().await),
        quote!(other.cancelled().await),
    ];
    for body in fine {
        let item = quote!(async fn start(state: StateCell, token: CancellationToken) { #body });
        assert_eq!(errors(quote!(state = state), item), [] as [&str; 0]);
    }
}

#[test]
fn a_field_of_self_is_the_token_by_any_name_of_self() {
    let told = |body: TokenStream| {
        errors(
            quote!(token = self.token),
            quote! {
                fn start(&self) -> BoxFuture<'_, ()> {
                    Box::pin(async move { let __self = self; let _: () = { #body }; })
                }
            },
        )
    };
    for own in [
        quote!(__self.token.cancelled().await;),
        quote!(select! { _ = __self.token.cancelled() => {} }),
        quote!(select! { _ = self.token.cancelled() => {} }),
    ] {
        assert_eq!(told(own).len(), 1);
    }
    for other in [
        quote!(peer.token.cancelled().await;),
        quote!(select! { _ = peer.token.cancelled() => {} }),
        quote!(select! { _ = __self.stop.cancelled() => {} }),
        quote!(select! { _ = __self.__self.cancelled() => {} }),
    ] {
        assert_eq!(told(other), [] as [&str; 0]);
    }
}

#[test]
fn a_shield_needs_something_to_shield() {
    assert_body_refused(
        quote!(#[shielded] let x = 1;),
        "there is no `.await` here to shield",
    );
    assert_body_refused(
        quote!(#[shielded(x)] f().await;),
        "`#[shielded]` takes no arguments",
    );
    assert_body_refused(
        quote!(
            #[shielded]
            {
                #[shielded]
                f().await;
            }
        ),
        "the statement around this",
    );
    assert_body_refused(
        quote!(
            #[shielded]
            fn g() {}
        ),
        "`#[shielded]` means nothing here",
    );
    assert_body_refused(
        quote!(f(#[shielded] g().await);),
        "`#[shielded]` means nothing here",
    );
    assert_body_refused(
        quote!(async { #[shielded] f().await; };),
        "`#[shielded]` reaches only",
    );
    assert_refused(
        quote!(shielded),
        quote!(
            async fn start(t: CancellationToken) {
                #[shielded]
                f().await;
            }
        ),
        "the whole function is `shielded`",
    );
    assert_refused(
        quote!(shielded, state = state),
        quote!(
            async fn start(state: StateCell, t: CancellationToken) {
                f().await
            }
        ),
        "a `shielded` start publishes itself",
    );
}

#[test]
fn a_shield_on_what_never_waits_is_told_so() {
    for statement in [
        quote!(async { f().await };),
        quote!(|| f();),
        quote!(const { 1 };),
        quote!(continue;),
        quote!(1;),
        quote!(a;),
        quote!(debug!(x);),
    ] {
        assert_body_refused(
            quote!(#[shielded] #statement),
            "there is no `.await` here to shield",
        );
    }
}

#[test]
fn independent_mistakes_are_told_together() {
    let errors = errors(
        quote!(stat = x),
        quote!(
            async fn start(a: CancellationToken, b: CancellationToken) {
                #[shielded]
                f();
            }
        ),
    );
    assert_eq!(errors.len(), 3, "{errors:#?}");
}

#[test]
fn after_an_error_the_function_is_still_there() {
    let left = guarded(
        quote!(state = state, oops),
        quote! {
            /// Starts.
            pub async fn start(state: StateCell, t: CancellationToken) -> u8 {
                #[shielded]
                f().await;
                spawn(async { state.store(Phase::Up) });
                1
            }
        },
    );
    let (_, left) = left.split_once("#[allow(unused)]").expect("the function");
    super::assert_lines(
        left,
        "
        /// Starts.
        pub async fn start(state: StateCell, t: CancellationToken) -> u8 {
            f().await;
            spawn(async { ::core::mem::drop((&state, Phase::Up)) });
            1
        }
        ",
    );
}

/// What is left of a body after an error in the arguments.
#[track_caller]
fn assert_left(args: TokenStream, body: TokenStream, expected: &str) {
    let left = guarded(args, quote!(async fn start(t: CancellationToken) { #body }));
    let (_, left) = left
        .split_once("async fn start(t: CancellationToken) {")
        .expect("the function");
    super::assert_lines(left, expected);
}

#[test]
fn after_an_error_only_the_stores_are_gone() {
    assert_left(
        quote!(state = state, oops),
        quote!(state.store(X); state.store(X, SeqCst); state.load(); state.load(X); other.store(X);),
        "
            ::core::mem::drop((&state, X));
            ::core::mem::drop((&state, X, SeqCst));
            state.load();
            state.load(X);
            other.store(X);
        }
        ",
    );
    // Which cell is meant cannot be told: what looks like a store is none of rustc's business.
    assert_left(
        quote!(state =),
        quote!(a.store(X); a.store(X, SeqCst); a.load(X); a.store();),
        "
            ::core::mem::drop((&a, X));
            a.store(X, SeqCst);
            a.load(X);
            a.store();
        }
        ",
    );
    assert_left(
        quote!(oops),
        quote!(a.store(X);),
        "
            a.store(X);
        }
        ",
    );
}
