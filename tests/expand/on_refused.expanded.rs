use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn by_closure(shutdown: CancellationToken) -> Result<u16, String> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&shutdown);
    let __on_refused = __cancel_guarded::on_refused::<
        Result<u16, String>,
        _,
    >(|error| Err(error.to_string()));
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Result<u16, String>,
                > {
                    return __ret;
                }
                let _ = &shutdown;
                Ok(80)
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn by_function(shutdown: CancellationToken) -> Result<u16, String> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&shutdown);
    let __on_refused = __cancel_guarded::on_refused::<
        Result<u16, String>,
        _,
    >(move |__error| refused(__error));
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Result<u16, String>,
                > {
                    return __ret;
                }
                let _ = &shutdown;
                Ok(80)
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
fn refused(error: StartError) -> Result<u16, String> {
    Err(error.to_string())
}
pub fn run() {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let refused = Err(StartError::Cancelled.to_string());
    assert_eq!(now(by_closure(shutdown.clone())), refused);
    assert_eq!(now(by_function(shutdown)), refused);
}
