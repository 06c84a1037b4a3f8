use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
fn start(shutdown: CancellationToken) -> Result<u16, std::io::Error> {
    Ok(80)
}

fn main() {}
