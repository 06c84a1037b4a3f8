use cancel_guarded::{StateCell, cancel_guarded};

#[cancel_guarded]
struct Service {
    state: StateCell,
}

fn main() {}
