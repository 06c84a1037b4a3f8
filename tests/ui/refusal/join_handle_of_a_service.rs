use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::task::JoinHandle;

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    fn start(&self, shutdown: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(shutdown.cancelled_owned())
    }
}

fn main() {}
