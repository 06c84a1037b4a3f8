use std::future::Future;
use std::pin::Pin;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded(state = state)]
fn pinned<'a>(
    state: StateCell,
    port: &'a u16,
    shutdown: CancellationToken,
) -> Pin<Box<dyn Future<Output = Option<u16>> + 'a>> {
    let port = *port;
    Box::pin(async move {
        bind().await;
        drop(shutdown);
        Some(port)
    })
}

#[cancel_guarded]
fn bare(_: CancellationToken) -> impl Future<Output = Option<u16>> {
    async { Some(bind().await) }
}

async fn bind() -> u16 {
    80
}

pub fn run() {
    let token = CancellationToken::new;
    assert_eq!(now(pinned(StateCell::new(), &80, token())), Some(80));
    assert_eq!(now(bare(token())), Some(80));
}
