use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[cancel_guarded(caller = everything)]
async fn start(shutdown: CancellationToken) -> Result<(), StartError> {
    shutdown.cancel();
    everything.cancel();
    Ok(())
}

fn main() {}
