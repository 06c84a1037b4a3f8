use cancel_guarded::{CancellationToken, cancel_guarded};

const CLOSED: u16 = 0;

#[cancel_guarded(on_refused = CLOSED)]
async fn start(shutdown: CancellationToken) -> Option<u16> {
    Some(80)
}

fn main() {}
