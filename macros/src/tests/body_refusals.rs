//! Bodies that cannot be guarded.

use proc_macro2::TokenStream;
use quote::quote;

use super::errors;
use super::refusals::assert_refused;

#[track_caller]
fn assert_body_refused(body: TokenStream, message: &str) {
    assert_refused(
        quote!(state = state),
        quote!(async fn start(state: StateCell, token: CancellationToken) -> u8 { #body }),
        message,
    );
}

#[test]
fn stores_are_the_body_s_own_and_never_of_the_guard_s_states() {
    assert_body_refused(
        quote!(let f = async { state.store(X) };),
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
        (quote!(Phase::STOPPED), "STOPPED"),
        (quote!(Lifecycle::Stopped), "STOPPED"),
    ] {
        assert_body_refused(
            quote!(state.store(#stored);),
            &format!("`{role}` cannot be stored"),
        );
    }
    for stored in [
        quote!(Phase::Starting),
        quote!(Lifecycle::Stopping),
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
fn only_the_guard_of_a_start_waits_for_its_cancellation() {
    let told = |args: TokenStream, body: TokenStream| {
        let item = quote!(async fn start(state: StateCell, token: CancellationToken) { #body });
        errors(args, item)
    };
    let waits = [
        quote!(token.cancelled().await),
        quote!(token.clone().cancelled_owned().await),
        quote!(token.run_until_cancelled(f()).await),
        quote!(tokio::select! { _ = token.cancelled() => {} }),
        quote!(tokio::select! { _ = token.clone().cancelled_owned() => {} }),
        quote!(join!(timeout(d, token.cancelled()))),
    ];
    for wait in waits {
        let asked = told(quote!(state = state), wait.clone());
        let refused = told(quote!(start, state = state), wait.clone());
        let question = "does `start` return when the service is up, or when it is over? Here it \
                        looks like over: it waits for `token`. Write `#[cancel_guarded(run, ..)]`";
        assert!(
            matches!(&*asked, [one] if one.starts_with(question)),
            "{asked:#?}"
        );
        let two = "a start is interrupted when `token` is cancelled, and this waits for the same";
        assert!(
            matches!(&*refused, [one] if one.starts_with(two)),
            "{refused:#?}"
        );
        let none = [] as [&str; 0];
        assert_eq!(told(quote!(run, state = state), wait.clone()), none);
        assert_eq!(told(quote!(start, shielded, state = state), wait), none);
    }
    let fine = [
        quote!(spawn(state.serve(async move { token.cancelled().await }));),
        quote!(select! { _ = other.cancelled() => {} }),
        quote!(#[shielded] token.cancelled().await;),
        quote!(
            #[shielded]
            select! { _ = token.cancelled() => {} }
        ),
        quote!(debug!(token.cancelled())),
        quote!(state.store(Up); token.cancelled().await),
        quote!(other.cancelled().await),
    ];
    for body in fine {
        let errors = told(quote!(state = state), body.clone());
        assert_eq!(errors, [] as [&str; 0], "{body}");
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
