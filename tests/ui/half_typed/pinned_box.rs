use std::future::Future;
use std::pin::Pin;

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
fn start(shutdown: CancellationToken) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        let port = ;
    })
}

fn main() {}
