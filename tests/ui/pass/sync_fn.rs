use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
fn start(_shutdown: CancellationToken) -> Result<u16, std::io::Error> {
    Ok(80)
}

fn main() {
    assert!(start(CancellationToken::new()).is_ok());
}
