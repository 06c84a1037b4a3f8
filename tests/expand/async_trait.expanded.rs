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
            use ::cancel_guarded::__private as __cancel_guarded;
            let __start = &__cancel_guarded::start(&self.state);
            let __options = __start.guard_by_child(&shutdown);
            let __on_refused = __cancel_guarded::on_refused_default::<
                Result<u16, StartError>,
            >();
            let __output = __options
                .drive(
                    __on_refused,
                    async move {
                        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                            Result<u16, StartError>,
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
                        if let Some(__ret) = None::<Result<u16, StartError>> {
                            #[allow(unreachable_code)] return __ret;
                        }
                        let __self = self;
                        let shutdown = shutdown;
                        let __ret: Result<u16, StartError> = {
                            __cancel_guarded::checked(__start, bind()).await;
                            let port = __cancel_guarded::checked(__start, bind()).await;
                            drop(shutdown);
                            Ok(port)
                        };
                        #[allow(unreachable_code)] __ret
                    },
                )
                .await;
            match () {
                #[allow(clippy::implicit_return)]
                () => __output,
            }
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
