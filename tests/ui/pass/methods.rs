#![deny(warnings)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

type Started = Result<u16, StartError>;

#[derive(Clone, Default)]
struct Server {
    state: StateCell,
    shutdown: CancellationToken,
}

async fn bind(port: u16) -> Started {
    Ok(port)
}

impl Server {
    #[cancel_guarded(state = self.state)]
    async fn by_reference(&self, shutdown: CancellationToken) -> Started {
        bind(80).await
    }

    #[cancel_guarded(state = self.state, token = self.shutdown)]
    async fn by_value(self, port: u16) -> Started {
        bind(port).await
    }

    #[cancel_guarded(state = self.state)]
    async fn by_arc(self: Arc<Self>, shutdown: &CancellationToken) -> Started {
        drop(shutdown.clone());
        bind(80).await
    }

    #[cancel_guarded(state = self.state)]
    fn pinned(
        &self,
        port: u16,
        _: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Started> + '_>> {
        Box::pin(async move { bind(port).await })
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn again<'a>(
        &'a mut self,
        (port, _): (u16, &'a str),
        shutdown: Option<&CancellationToken>,
    ) -> Started {
        bind(port).await
    }
}

#[async_trait]
trait Service {
    async fn start(&self, shutdown: CancellationToken) -> Started;
}

#[async_trait]
impl Service for Server {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Started {
        bind(80).await
    }
}

fn main() {
    let token = CancellationToken::new;
    assert_eq!(now(Server::default().by_reference(token())), Ok(80));
    assert_eq!(now(Server::default().by_value(80)), Ok(80));
    assert_eq!(now(Arc::new(Server::default()).by_arc(&token())), Ok(80));
    assert_eq!(now(Server::default().pinned(80, token())), Ok(80));
    assert_eq!(now(Server::default().again((80, ""), None)), Ok(80));
    assert_eq!(now(Server::default().start(token())), Ok(80));

    let cancelled = token();
    cancelled.cancel();
    assert_eq!(
        now(Server::default().start(cancelled)),
        Err(StartError::Cancelled)
    );
}
