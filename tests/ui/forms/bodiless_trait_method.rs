use cancel_guarded::{CancellationToken, cancel_guarded};

trait Service {
    #[cancel_guarded]
    async fn start(&self, shutdown: CancellationToken);
}

fn main() {}
