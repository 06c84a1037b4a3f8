use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_owned(shutdown).refusing::<Result<u16, StartError>>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<u16, StartError>,
            > {
                return __ret;
            }
            bind().await;
            #[allow(unreachable_code)]
            ::cancel_guarded::__private::checkpoint(__attempt).await;
            Ok(::cancel_guarded::__private::watch(__attempt, bind()).await)
        })
        .await
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
