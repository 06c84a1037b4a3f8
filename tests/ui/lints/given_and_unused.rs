#![deny(unused)]

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(token = first)]
async fn start(first: CancellationToken, second: CancellationToken) {}

fn main() {
    drop(start(CancellationToken::new(), CancellationToken::new()));
}
