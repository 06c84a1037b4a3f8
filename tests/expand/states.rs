use cancel_guarded::{State, StateCell};

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
pub enum Phase {
    #[state(initial, stopped)]
    Idle,
    #[state(starting)]
    Opening,
    Migrating,
    #[state(running)]
    Serving,
    #[state(stopping)]
    Draining,
    #[state(failed)]
    Broken,
}

pub fn run() {
    assert_eq!(StateCell::<Phase>::new().state(), Phase::Idle);
    assert_eq!(Phase::Broken.name(), "Broken");
}
