use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(on_refused = false)]
async fn start(_shutdown: CancellationToken) -> bool {
    true
}

fn main() {}
