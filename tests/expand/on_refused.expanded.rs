use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn by_closure(shutdown: CancellationToken) -> Result<u16, String> {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt
        .start_owned(shutdown)
        .refused_by::<Result<u16, String>, _>(|error| Err(error.to_string()));
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<u16, String>,
            > {
                return __ret;
            }
            Ok(80)
        })
        .await
}
async fn by_function(shutdown: CancellationToken) -> Result<u16, String> {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt
        .start_owned(shutdown)
        .refused_by::<Result<u16, String>, _>(move |__error| refused(__error));
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<u16, String>,
            > {
                return __ret;
            }
            Ok(80)
        })
        .await
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
