use async_trait::async_trait;
use cancel_guarded::{CancellationToken, cancel_guarded};

struct Server;

#[async_trait]
trait Service {
    async fn start(&self, shutdown: CancellationToken) -> Result<u16, String>;
}

#[async_trait]
impl Service for Server {
    #[cancel_guarded]
    async fn start(&self, shutdown: CancellationToken) -> Result<u16, String> {
        Ok(80)
    }
}

fn main() {}
