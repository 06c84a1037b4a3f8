use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
trait Service {
    async fn start(&self, shutdown: CancellationToken);
}

fn main() {}
