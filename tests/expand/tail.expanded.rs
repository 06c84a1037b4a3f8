use std::future::Future;
use std::pin::Pin;
use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
fn pinned<'a>(
    state: StateCell,
    port: &'a u16,
    shutdown: CancellationToken,
) -> Pin<Box<dyn Future<Output = Option<u16>> + 'a>> {
    let port = *port;
    Box::pin(async move {
        let __cell = ::cancel_guarded::__private::cell(&state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_with_child(&shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let shutdown = __attempt.child(shutdown);
                let _ = &state;
                bind().await;
                #[allow(unreachable_code)]
                ::cancel_guarded::__private::checkpoint(__attempt).await;
                drop(shutdown);
                Some(port)
            })
            .await
    })
}
fn bare(__arg0: CancellationToken) -> impl Future<Output = Option<u16>> {
    async move {
        let __cell = ::cancel_guarded::__private::unpublished();
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start(&__arg0).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &__arg0;
                Some(::cancel_guarded::__private::watch(__attempt, bind()).await)
            })
            .await
    }
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    let token = CancellationToken::new;
    assert_eq!(now(pinned(StateCell::new(), & 80, token())), Some(80));
    assert_eq!(now(bare(token())), Some(80));
}
