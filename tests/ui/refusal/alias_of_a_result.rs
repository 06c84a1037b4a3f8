use cancel_guarded::{CancellationToken, cancel_guarded};

type Result<T> = std::result::Result<T, String>;

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16> {
    Ok(80)
}

fn main() {}
