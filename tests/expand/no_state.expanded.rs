use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    let (__start, __attempt) = ::cancel_guarded::__private::start_unpublished(&shutdown);
    __start
        .refusing::<Result<u16, StartError>>()
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<u16, StartError>,
            > {
                return __ret;
            }
            let _ = &shutdown;
            bind().await;
            #[allow(unreachable_code)]
            ::cancel_guarded::__private::checkpoint(&__attempt).await;
            Ok(::cancel_guarded::__private::watch(&__attempt, bind()).await)
        })
        .await
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
