use std::pin::Pin;
use std::sync::Arc;
use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
#[derive(Clone)]
struct Service {
    state: StateCell,
    port: u16,
}
impl Service {
    async fn by_value(self, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &self;
                Some(self.port)
            })
            .await
    }
    #[allow(unused_assignments)]
    async fn by_mutable_value(mut self, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &self;
                self.port += 1;
                Some(self.port)
            })
            .await
    }
    async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &self;
                Some(self.port)
            })
            .await
    }
    async fn pinned(self: Pin<&mut Self>, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &self;
                Some(self.port)
            })
            .await
    }
}
pub fn run() {
    let service = || Service {
        state: StateCell::new(),
        port: 80,
    };
    let token = CancellationToken::new;
    assert_eq!(now(service().by_value(token())), Some(80));
    assert_eq!(now(service().by_mutable_value(token())), Some(81));
    assert_eq!(now(Arc::new(service()).by_arc(token())), Some(80));
    assert_eq!(now(Pin::new(& mut service()).pinned(token())), Some(80));
}
