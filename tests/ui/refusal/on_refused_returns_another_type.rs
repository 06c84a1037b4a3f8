use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(on_refused = |_| Ok(()))]
async fn start(shutdown: CancellationToken) -> Result<u16, String> {
    Ok(80)
}

fn main() {}
