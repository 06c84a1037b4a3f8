use cancel_guarded::{CancellationToken, cancel_guarded};

fn refused(error: std::io::Error) -> Result<u16, String> {
    Err(error.to_string())
}

#[cancel_guarded(on_refused = refused)]
async fn start(shutdown: CancellationToken) -> Result<u16, String> {
    Ok(80)
}

fn main() {}
