use cancel_guarded::{State, StateCell};

#[derive(State)]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    #[state(running)]
    Up,
}

fn main() {
    let _ = StateCell::<Phase>::new();
}
