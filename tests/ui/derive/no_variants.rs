use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {}

fn main() {}
