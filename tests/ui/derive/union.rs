use cancel_guarded::State;

#[derive(Clone, Copy, State)]
union Phase {
    number: u8,
}

fn main() {}
