use cancel_guarded::State;

#[derive(Debug, State)]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    #[state(running)]
    Up,
}

fn main() {}
