use std::sync::Arc;
use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
async fn by_value(shutdown: CancellationToken) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let shutdown = __attempt.child(shutdown);
            cancel(&shutdown);
        })
        .await
}
async fn by_mutable_value(shutdown: CancellationToken) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let mut shutdown = __attempt.child(shutdown);
            cancel(&shutdown);
            shutdown = CancellationToken::new();
            cancel(&shutdown);
        })
        .await
}
async fn by_reference(shutdown: &CancellationToken) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let shutdown = &__attempt.child(shutdown);
            cancel(shutdown);
        })
        .await
}
async fn shared(shutdown: Arc<CancellationToken>) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let shutdown = __attempt.child(shutdown);
            cancel(&shutdown);
        })
        .await
}
async fn optional(shutdown: Option<CancellationToken>) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let shutdown = __attempt.child(shutdown);
            shutdown.iter().for_each(cancel);
        })
        .await
}
async fn optional_reference(shutdown: Option<&CancellationToken>) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_with_child(&shutdown).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let shutdown = __attempt.child(shutdown);
            let shutdown = shutdown.as_ref();
            shutdown.into_iter().for_each(cancel);
        })
        .await
}
async fn not_named_by_the_body(shutdown: CancellationToken) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_owned(shutdown).refusing::<()>();
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
async fn without_a_name(__arg0: CancellationToken) {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start(&__arg0).refusing::<()>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                (),
            > {
                return __ret;
            }
            let __arg0 = __arg0;
        })
        .await
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
