use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(state = self.state)]
async fn start(shutdown: CancellationToken) {}

fn main() {}
