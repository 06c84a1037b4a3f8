use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
#[state]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    #[state()]
    Migrating,
    #[state(running)]
    Up,
}

fn main() {}
