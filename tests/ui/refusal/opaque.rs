use std::fmt::Debug;

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> impl Debug {
    80
}

fn main() {}
