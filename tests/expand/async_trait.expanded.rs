use std::future::Future;
use std::pin::Pin;
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
struct Service {
    state: StateCell,
}
impl Service {
    fn start<'life0, 'async_trait>(
        &'life0 self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<u16, StartError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let __attempt = &::cancel_guarded::__private::attempt(&self.state);
            let __start = __attempt
                .start_with_child(&shutdown)
                .refusing::<Result<u16, StartError>>();
            __start
                .run(async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Result<u16, StartError>,
                    > {
                        return __ret;
                    }
                    let shutdown = __attempt.child(shutdown);
                    if let Some(__ret) = None::<Result<u16, StartError>> {
                        #[allow(unreachable_code)] return __ret;
                    }
                    let __self = self;
                    let shutdown = shutdown;
                    let __ret: Result<u16, StartError> = {
                        bind().await;
                        #[allow(unreachable_code)]
                        ::cancel_guarded::__private::checkpoint(__attempt).await;
                        let port = ::cancel_guarded::__private::watch(__attempt, bind())
                            .await;
                        drop(shutdown);
                        Ok(port)
                    };
                    #[allow(unreachable_code)] __ret
                })
                .await
        })
    }
}
async fn bind() -> u16 {
    80
}
pub fn run() {
    let service = Service { state: StateCell::new() };
    assert_eq!(now(service.start(CancellationToken::new())), Ok(80));
}
