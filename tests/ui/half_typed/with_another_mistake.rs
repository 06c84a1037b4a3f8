use cancel_guarded::{CancellationToken, cancel_guarded};

#[cancel_guarded(stat = shutdown)]
async fn start(shutdown: CancellationToken) {
    let port = ;
}

fn main() {}
