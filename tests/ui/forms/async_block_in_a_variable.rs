use std::future::Future;

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
fn start(shutdown: CancellationToken) -> impl Future<Output = ()> {
    let start = async move { drop(shutdown) };
    start
}

fn main() {}
