use std::net::SocketAddr;

use cancel_guarded::{CancellationToken, cancel_guarded};

struct Service {
    addr: SocketAddr,
}

impl Service {
    #[cancel_guarded(state = self.addr)]
    async fn start(&self, shutdown: CancellationToken) {}
}

fn main() {}
