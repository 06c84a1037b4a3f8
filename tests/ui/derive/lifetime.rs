use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase<'a> {
    #[state(initial, starting, stopping, stopped, failed)]
    Down,
    #[state(running)]
    Up(&'a str),
}

fn main() {}
