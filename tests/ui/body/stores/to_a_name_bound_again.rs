use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};

#[cancel_guarded(run, state = state)]
async fn run(
    state: &StateCell,
    other: StateCell,
    _shutdown: CancellationToken,
) -> Result<(), StartError> {
    let state = &other;
    state.store(Lifecycle::Running);
    Ok(())
}

fn main() {}
