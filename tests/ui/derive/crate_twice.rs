use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
#[state(crate = cancel_guarded, crate = cancel_guarded)]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    #[state(running)]
    Up,
}

fn main() {}
