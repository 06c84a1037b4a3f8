//! Bodies that other attributes have wrapped.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::refusals::assert_refused;
use super::{errors, guarded};

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
fn a_wrapper_of_another_attribute_is_told_by_the_places_of_its_tokens() {
    let source: TokenStream = "#[framed] async fn start() { async move { f().await } }"
        .parse()
        .expect("tokens");
    let attribute = source.clone().into_iter().next().expect("a token").span();
    let name = |source: TokenStream| source.into_iter().nth(4).expect("the name");
    let (name, user) = (
        name(source.clone()),
        source.into_iter().last().expect("the body"),
    );
    let wrapped = [
        quote_spanned!(attribute=> { frames::frame!(async move #user).await }),
        quote_spanned!(attribute=> { let result = scope(caller, async move #user).await; result }),
        quote_spanned!(attribute=> { let value = async #user.await; log(&value); value }),
        quote_spanned!(attribute=> { scope(caller, move || #user) }),
    ];
    for body in wrapped {
        assert_refused(
            quote!(),
            quote!(async fn #name(t: CancellationToken) -> R #body),
            "an attribute above has wrapped the body",
        );
    }
    // Another macro may write the function as a whole, and the user an async block in it.
    let generated = quote_spanned!(attribute=> start);
    for item in [
        quote!(async fn #generated(t: CancellationToken) -> R { let x = async move #user.await; x }),
        quote!(async fn #name(t: CancellationToken) -> R #user),
    ] {
        assert_eq!(errors(quote!(), item), [] as [&str; 0]);
    }
}

#[test]
fn the_wrapper_of_instrument_is_seen_through_where_nothing_waits() {
    let hinted = quote!({
        if false {
            let __tracing_attr_fake_return: R = loop {};
            return __tracing_attr_fake_return;
        }
        {
            state.store(Phase::Loading);
            bind()
        }
    });
    let enter = quote! {
        {}
        let __tracing_attr_span;
        let __tracing_attr_guard;
        if enabled() {
            __tracing_attr_span = span();
            __tracing_attr_guard = __tracing_attr_span.enter();
        }
    };
    let bodies = [
        quote!({} { #enter #hinted }),
        quote!(#enter match (move || #hinted)() { Ok(x) => Ok(x), Err(e) => Err(e) }),
        quote!(#enter let x = (move || #hinted)(); x),
    ];
    for body in bodies {
        let expanded = guarded(
            quote!(state = state),
            quote!(fn start(state: &StateCell, t: &CancellationToken) -> R { #body }),
        );
        assert!(
            expanded.contains("__cancel_guarded::Start::store(__start, Phase::Loading);"),
            "{expanded}"
        );
    }
}
