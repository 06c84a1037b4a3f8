use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        std::thread::spawn(move || work(shutdown));
        Ok(())
    }
}

fn work(_: CancellationToken) {}

fn main() {}
