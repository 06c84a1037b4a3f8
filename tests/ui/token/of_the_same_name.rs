use cancel_guarded::cancel_guarded;

struct CancellationToken;

impl CancellationToken {
    fn stop(&self) {}
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    shutdown.stop();
}

fn main() {}
