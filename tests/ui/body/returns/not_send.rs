use std::rc::Rc;

use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    let port = Rc::new(80);
    bind().await;
    drop(port);
}

fn is_send(_: impl Send) {}

fn main() {
    is_send(start(CancellationToken::new()));
}
