use cancel_guarded::{CancellationToken, cancel_guarded};

struct Service;

impl Service {
    #[cancel_guarded]
    fn start(_shutdown: CancellationToken) -> Self {
        Self
    }
}

fn main() {}
