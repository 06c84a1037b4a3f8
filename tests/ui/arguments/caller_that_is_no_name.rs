use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[cancel_guarded(caller = self.everything)]
async fn start(_shutdown: CancellationToken) -> Result<(), StartError> {
    Ok(())
}

fn main() {}
