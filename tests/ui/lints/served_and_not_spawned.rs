#![deny(unused)]

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

#[cancel_guarded(state = state)]
async fn start(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    state.serve(shutdown.clone().cancelled_owned());
    state.track(shutdown.cancelled_owned());
    Ok(())
}

fn main() {}
