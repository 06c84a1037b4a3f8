#![deny(warnings)]

use cancel_guarded::{State, StateCell};

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial, stopped)]
    Idle,
    #[state(starting)]
    Opening,
    Migrating,
    #[state(running)]
    r#Up,
    #[state(stopping)]
    Draining,
    #[state(failed)]
    Broken,
}

fn main() {
    let cell = StateCell::<Phase>::new();
    assert_eq!(cell.state(), Phase::Idle);
    assert!(cell.transition(Phase::Idle, Phase::Migrating).is_err());
    assert_eq!(Phase::Up.name(), "Up");
    assert_eq!(Phase::RUNNING, Phase::Up);
    assert_eq!(
        [Phase::STARTING, Phase::STOPPING, Phase::FAILED],
        [Phase::Opening, Phase::Draining, Phase::Broken]
    );
}
