use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[cancel_guarded(token = &shutdown, caller = everything)]
async fn start(shutdown: CancellationToken) -> Result<(), StartError> {
    drop(shutdown);
    Ok(())
}

fn main() {}
