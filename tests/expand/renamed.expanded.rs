use cancel_guarded as guard;
use cancel_guarded::CancellationToken;
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Option<u16> {
    let (__start, __attempt) = guard::__private::start_unpublished(&shutdown);
    __start
        .refusing::<Option<u16>>()
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Option<u16>,
            > {
                return __ret;
            }
            let _ = &shutdown;
            Some(guard::__private::watch(&__attempt, bind()).await)
        })
        .await
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Some(80));
}
