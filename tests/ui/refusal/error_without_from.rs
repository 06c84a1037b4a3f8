use std::fmt;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

#[derive(Debug)]
enum ServerError {
    PortInUse,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("port in use")
    }
}

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<u16, ServerError> {
        Err(ServerError::PortInUse)
    }
}

fn main() {}
