use std::future::Future;
use std::pin::Pin;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

struct Service {
    state: StateCell,
}

// As `#[async_trait]` hands it on.
impl Service {
    #[cancel_guarded(state = self.state)]
    fn start<'life0, 'async_trait>(
        &'life0 self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<u16, StartError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            if let Some(__ret) = None::<Result<u16, StartError>> {
                #[allow(unreachable_code)]
                return __ret;
            }
            let __self = self;
            let shutdown = shutdown;
            let __ret: Result<u16, StartError> = {
                bind().await;
                let port = bind().await;
                drop(shutdown);
                Ok(port)
            };
            #[allow(unreachable_code)]
            __ret
        })
    }
}

async fn bind() -> u16 {
    80
}

pub fn run() {
    let service = Service {
        state: StateCell::new(),
    };
    assert_eq!(now(service.start(CancellationToken::new())), Ok(80));
}
