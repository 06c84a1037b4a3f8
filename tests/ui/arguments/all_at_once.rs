use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};

async fn register() {}

#[cancel_guarded(stat = state, restart = true)]
async fn start(state: StateCell, first: CancellationToken, second: CancellationToken) {
    #[shielded]
    let mut port = 80;
    #[shielded(please)]
    register().await;
    port += 1;
}

fn main() {}
