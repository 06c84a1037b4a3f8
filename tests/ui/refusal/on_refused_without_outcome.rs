use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(on_refused = |_| 0)]
async fn start(shutdown: CancellationToken) -> u16 {
    80
}

fn main() {}
