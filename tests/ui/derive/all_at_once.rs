use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, starting, stoping)]
    Down(u8),
    #[state(running, initial)]
    Up,
}

fn main() {}
