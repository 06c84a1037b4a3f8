use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    Migrating {
        step: u32,
    },
    #[state(running)]
    Up(u16),
}

fn main() {}
