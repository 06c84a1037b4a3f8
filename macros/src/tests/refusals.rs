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
    let output = crate::expand::cancel_guarded(
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
    assert_refused(
        quote!(),
        quote!(
            async fn start(t: Arc<&CancellationToken>) {
                t.x()
            }
        ),
        "the body cannot be given a child of this token in the same form; write `token = t`",
    );
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
            async fn start(t: &CancellationToken) -> Box<dyn Fn(&str) -> &str> {
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
    assert_refused(
        quote!(),
        quote!(
            async fn start(t: CancellationToken) {
                ::trace::frame!(async move { f().await }).await
            }
        ),
        "an attribute above has wrapped the body",
    );
    let own = quote!(
        async fn start(t: CancellationToken) {
            timeout(second, async move { f().await }).await
        }
    );
    assert_eq!(errors(quote!(), own), [] as [&str; 0]);
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
        quote!(state.store(Phase::FAILED);),
        "`FAILED` cannot be stored",
    );
    assert_body_refused(
        quote!(state.store(Phase::Up, SeqCst);),
        "`state` is to be a `cancel_guarded::StateCell`",
    );
    assert_body_refused(
        quote!(state.store(Lifecycle::Created);),
        "`INITIAL` cannot be stored",
    );
}

#[test]
fn one_owner_of_the_cancellation() {
    let two = "the guard ends this start when it is cancelled, and this would too";
    assert_body_refused(quote!(token.cancelled().await), two);
    assert_body_refused(quote!(token.clone().cancelled_owned().await), two);
    assert_body_refused(quote!(token.run_until_cancelled(f()).await), two);
    assert_body_refused(quote!(tokio::select! { _ = token.cancelled() => {} }), two);
    let fine = [
        quote!(spawn(async move { token.cancelled().await })),
        quote!(select! { _ = async { token.cancelled().await } => {} }),
        quote!(#[shielded] token.cancelled().await;),
        quote!(state.store(Up); token.cancelled().await),
        quote!(other.cancelled().await),
    ];
    for body in fine {
        let item = quote!(async fn start(state: StateCell, token: CancellationToken) { #body });
        assert_eq!(errors(quote!(state = state), item), [] as [&str; 0]);
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
