use std::sync::Mutex;
use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
struct Service {
    shutdown: CancellationToken,
    tokens: Mutex<Vec<CancellationToken>>,
}
impl Service {
    async fn of_a_field(&self) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::stateless();
        let __options = __start.guard_by(&self.shutdown);
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
                    Some(80)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    async fn of_a_temporary(&self) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::stateless();
        let __options = __start.guard_by(&self.tokens.lock().unwrap().pop());
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
                    Some(80)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
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
