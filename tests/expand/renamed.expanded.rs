use cancel_guarded as guard;
use cancel_guarded::CancellationToken;
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Option<u16> {
    let __cell = guard::__private::unpublished();
    let __attempt = &guard::__private::attempt(&__cell);
    let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Option<u16>,
            > {
                return __ret;
            }
            Some(guard::__private::watch(__attempt, bind()).await)
        })
        .await
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Some(80));
}
