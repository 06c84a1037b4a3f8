use cancel_guarded::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
struct Phase;

fn main() {}
