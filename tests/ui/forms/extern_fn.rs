use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded]
async extern "C" fn start(shutdown: CancellationToken) {}

fn main() {}
