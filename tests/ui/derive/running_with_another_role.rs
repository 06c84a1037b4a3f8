use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, stopped)]
    Down,
    #[state(starting, stopping)]
    Changing,
    #[state(running, failed)]
    Up,
}

fn main() {}
