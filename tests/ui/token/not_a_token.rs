use std::net::SocketAddr;

use cancel_guarded::cancel_guarded;

struct Service {
    addr: SocketAddr,
}

impl Service {
    #[cancel_guarded(token = self.addr)]
    async fn start(&self) {}
}

fn main() {}
