use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    Idle,
    Up,
}

fn main() {}
