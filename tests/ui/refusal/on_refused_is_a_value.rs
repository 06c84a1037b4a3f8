use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(on_refused = Ok(0))]
async fn start(shutdown: CancellationToken) -> Result<u16, String> {
    Ok(80)
}

fn main() {}
