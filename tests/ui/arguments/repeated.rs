use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

#[cancel_guarded(state = state, state = state)]
async fn start(state: StateCell, shutdown: CancellationToken) {}

fn main() {}
