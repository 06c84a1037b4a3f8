use std::sync::Mutex;
use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
struct Service {
    shutdown: CancellationToken,
    tokens: Mutex<Vec<CancellationToken>>,
}
impl Service {
    async fn of_a_field(&self) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::unpublished();
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start(&self.shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                Some(80)
            })
            .await
    }
    async fn of_a_temporary(&self) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::unpublished();
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt
            .start(&self.tokens.lock().unwrap().pop())
            .refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                Some(80)
            })
            .await
    }
}
pub fn run() {
    let service = Service {
        shutdown: CancellationToken::new(),
        tokens: Mutex::default(),
    };
    assert_eq!(now(service.of_a_field()), Some(80));
    assert_eq!(now(service.of_a_temporary()), Some(80));
}
