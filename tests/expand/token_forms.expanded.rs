use std::sync::Arc;
use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
async fn by_value(shutdown: CancellationToken) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(shutdown);
                cancel(&shutdown);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn by_mutable_value(shutdown: CancellationToken) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let mut shutdown = __start.child(shutdown);
                cancel(&shutdown);
                shutdown = CancellationToken::new();
                cancel(&shutdown);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn by_reference(shutdown: &CancellationToken) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = &__start.child(shutdown);
                cancel(shutdown);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn shared(shutdown: Arc<CancellationToken>) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(shutdown);
                cancel(&shutdown);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn optional(shutdown: Option<CancellationToken>) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(shutdown);
                shutdown.iter().for_each(cancel);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn optional_reference(shutdown: Option<&CancellationToken>) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(shutdown);
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = shutdown.as_ref();
                shutdown.into_iter().for_each(cancel);
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn not_named_by_the_body(shutdown: CancellationToken) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                let _ = &shutdown;
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn without_a_name(
    #[cfg(doc)]
    _: CancellationToken,
    #[cfg(not(doc))]
    __arg0: CancellationToken,
) {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&__arg0);
    let __on_refused = __cancel_guarded::on_refused_default::<()>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    (),
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let __arg0 = __arg0;
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
fn cancel(shutdown: &CancellationToken) {
    shutdown.cancel();
}
pub fn run() {
    let token = CancellationToken::new();
    now(by_value(token.clone()));
    now(by_mutable_value(token.clone()));
    now(by_reference(&token));
    now(shared(Arc::new(token.clone())));
    now(optional(Some(token.clone())));
    now(optional_reference(Some(&token)));
    now(not_named_by_the_body(token.clone()));
    now(without_a_name(token.clone()));
    assert!(! token.is_cancelled(), "what the bodies cancel is a child");
}
