use std::future::Future;
use std::pin::Pin;

use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[cancel_guarded]
fn start(
    port: u16,
    shutdown: CancellationToken,
) -> Pin<Box<dyn Future<Output = Result<u16, StartError>>>> {
    if port == 0 {
        return Box::pin(async { Ok(0) });
    }
    Box::pin(async move { Ok(port) })
}

fn main() {}
