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
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&state);
        let __options = __start.guard_by_child(&shutdown);
        let __on_refused = __cancel_guarded::on_refused_default::<Option<u16>>();
        let __output = __options
            .drive(
                __on_refused,
                async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Option<u16>,
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
                    let _ = &state;
                    __cancel_guarded::checked(__start, bind()).await;
                    drop(shutdown);
                    Some(port)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    })
}
fn bare(
    #[cfg(doc)]
    _: CancellationToken,
    #[cfg(not(doc))]
    __arg0: CancellationToken,
) -> impl Future<Output = Option<u16>> {
    async move {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::stateless();
        let __options = __start.guard_by(&__arg0);
        let __on_refused = __cancel_guarded::on_refused_default::<Option<u16>>();
        let __output = __options
            .drive(
                __on_refused,
                async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Option<u16>,
                    > {
                        return __ret;
                    }
                    let _ = &__arg0;
                    Some(__cancel_guarded::checked(__start, bind()).await)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
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
