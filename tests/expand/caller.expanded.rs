use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
async fn by_value(shutdown: CancellationToken) -> Option<bool> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<Option<bool>>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<bool>,
                > {
                    return __ret;
                }
                let everything = shutdown;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(&everything);
                everything.cancel();
                Some(shutdown.is_cancelled())
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn by_reference(shutdown: &CancellationToken) -> Option<CancellationToken> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<
        Option<CancellationToken>,
    >();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<CancellationToken>,
                > {
                    return __ret;
                }
                let everything = shutdown;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = &__start.child(&everything);
                drop(shutdown.child_token());
                Some(everything.clone())
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
pub fn run() {
    let token = CancellationToken::new();
    assert!(now(by_reference(& token)).is_some_and(| caller | ! caller.is_cancelled()));
    assert_eq!(now(by_value(token.clone())), None);
    assert!(token.is_cancelled());
}
