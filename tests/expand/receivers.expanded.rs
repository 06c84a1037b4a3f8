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
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&shutdown);
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
                    let _ = &self;
                    let _ = &shutdown;
                    Some(self.port)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    async fn by_mutable_value(mut self, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&shutdown);
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
                    let _ = &self;
                    let _ = &shutdown;
                    self.port += 1;
                    Some(self.port)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&shutdown);
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
                    let _ = &self;
                    let _ = &shutdown;
                    Some(self.port)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    async fn pinned(self: Pin<&mut Self>, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&shutdown);
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
                    let _ = &self;
                    let _ = &shutdown;
                    Some(self.port)
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
