use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

struct Service {
    shutdown: CancellationToken,
}

impl Service {
    #[cancel_guarded(token = self.shutdown)]
    async fn start(&self) {
        tokio::select! {
            () = self.shutdown.cancelled() => return,
            () = bind() => {}
        }
        self.shutdown.clone().cancelled_owned().await;
    }
}

fn main() {}
