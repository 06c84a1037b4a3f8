use cancel_guarded::{
    CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::now;
struct Service {
    state: StateCell,
}
impl Service {
    async fn run(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown).run();
        let __on_refused = __cancel_guarded::on_refused_default::<
            Result<(), StartError>,
        >();
        let __output = __options
            .drive(
                __on_refused,
                async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Result<(), StartError>,
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
                    __cancel_guarded::checked(__start, prepare()).await;
                    __cancel_guarded::Start::store(__start, Lifecycle::Running);
                    __cancel_guarded::checkpoint(__start).await;
                    tokio::select! {
                        () = shutdown.cancelled() => {} () = prepare() => {}
                    }
                    __cancel_guarded::checkpoint(__start).await;
                    __cancel_guarded::Start::store(__start, Lifecycle::Stopping);
                    __cancel_guarded::checked(__start, prepare()).await;
                    Ok(())
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
}
async fn prepare() {}
pub fn run() {
    let service = Service { state: StateCell::new() };
    assert_eq!(now(service.run(CancellationToken::new())), Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}
