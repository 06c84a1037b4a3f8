use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

#[cancel_guarded(state = state restart)]
async fn start(state: StateCell, shutdown: CancellationToken) {}

fn main() {}
