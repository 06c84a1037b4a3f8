use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
struct Service {
    state: StateCell,
}
impl Service {
    async fn published_at_entry(&self, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown).run_published();
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
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    assert!(self.state.is_running());
                    while !shutdown.is_cancelled() {
                        self.state.request_stop();
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
    async fn published_by_a_store(&self, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown).run();
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
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    let port = __cancel_guarded::checked(__start, bind()).await;
                    __cancel_guarded::Start::store(__start, Lifecycle::Running);
                    drop(shutdown);
                    Some(port)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    async fn published_by_a_publisher(
        &self,
        shutdown: CancellationToken,
    ) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown).run();
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
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    let up = self.state.publisher();
                    assert!(up.publish());
                    drop(shutdown);
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
async fn without_a_state(shutdown: CancellationToken) -> Option<u16> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by_child(&shutdown).run_stateless();
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
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = __start.child(shutdown);
                drop(shutdown);
                Some(80)
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
    let service = || Service { state: StateCell::new() };
    let token = CancellationToken::new;
    let (entry, store, publisher) = (service(), service(), service());
    assert_eq!(now(entry.published_at_entry(token())), Some(80));
    assert_eq!(now(store.published_by_a_store(token())), Some(80));
    assert_eq!(now(publisher.published_by_a_publisher(token())), Some(80));
    for service in [entry, store, publisher] {
        assert_eq!(service.state.state(), Lifecycle::Stopped);
    }
    assert_eq!(now(without_a_state(token())), Some(80));
}
