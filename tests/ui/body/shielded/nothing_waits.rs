use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    #[shielded]
    let port = 80;
    drop(port);
}

fn main() {}
