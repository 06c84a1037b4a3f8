use cancel_guarded::{CancellationToken, cancel_guarded};

struct Service {
    shutdown: CancellationToken,
}

impl Service {
    #[cancel_guarded(token = )]
    async fn start(&self) {}
}

fn main() {}
