use cancel_guarded::{
    CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::now;
struct Service {
    state: StateCell,
}
impl Service {
    async fn run(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        let __attempt = &::cancel_guarded::__private::attempt(&self.state);
        let __start = __attempt
            .start_with_child(&shutdown)
            .refusing::<Result<(), StartError>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Result<(), StartError>,
                > {
                    return __ret;
                }
                let shutdown = __attempt.child(shutdown);
                prepare().await;
                #[allow(unreachable_code)]
                ::cancel_guarded::__private::checkpoint(__attempt).await;
                __attempt.store(Lifecycle::Running);
                tokio::select! {
                    () = shutdown.cancelled() => {} () = prepare() => {}
                }
                #[allow(unreachable_code)]
                ::cancel_guarded::__private::checkpoint(__attempt).await;
                __attempt.store(Lifecycle::Stopping);
                prepare().await;
                #[allow(unreachable_code)]
                ::cancel_guarded::__private::checkpoint(__attempt).await;
                Ok(())
            })
            .await
    }
}
async fn prepare() {}
pub fn run() {
    let service = Service { state: StateCell::new() };
    assert_eq!(now(service.run(CancellationToken::new())), Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}
