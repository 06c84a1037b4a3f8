#![deny(unused)]

use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(
    port: u16,
    mut name: String,
    (host, mut path): (String, String),
    shutdown: CancellationToken,
) {
    drop(name);
    drop(path);
}

fn main() {
    let pair = (String::new(), String::new());
    drop(start(80, String::new(), pair, CancellationToken::new()));
}
