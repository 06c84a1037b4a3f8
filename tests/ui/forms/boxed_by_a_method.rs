use cancel_guarded::{CancellationToken, cancel_guarded};
use futures::future::{BoxFuture, FutureExt as _};

#[cancel_guarded]
fn start(shutdown: CancellationToken) -> BoxFuture<'static, Option<u16>> {
    async move {
        drop(shutdown);
        Some(80)
    }
    .boxed()
}

fn main() {}
