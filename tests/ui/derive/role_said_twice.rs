use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed, initial)]
    Down,
    #[state(running)]
    Up,
}

fn main() {}
