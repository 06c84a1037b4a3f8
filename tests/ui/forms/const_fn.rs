use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
const fn start(shutdown: &CancellationToken) -> u16 {
    80
}

fn main() {}
