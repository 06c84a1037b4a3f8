use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<Result<u16, StartError>>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Result<u16, StartError>,
                > {
                    return __ret;
                }
                let _ = &shutdown;
                __cancel_guarded::checked(__start, bind()).await;
                Ok(__cancel_guarded::checked(__start, bind()).await)
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
