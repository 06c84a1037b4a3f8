use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded(state = state)]
async fn start(state: &StateCell, _shutdown: CancellationToken) -> Option<()> {
    #[detached]
    spawn_telemetry();
    #[detached]
    let _telemetry = spawn_telemetry();
    Some(())
}

fn spawn_telemetry() -> u32 {
    7
}

pub fn run() {
    let started = now(start(&StateCell::new(), CancellationToken::new()));
    assert_eq!(started, Some(()));
}
