use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

trait Service {
    fn state(&self) -> &StateCell;

    #[cancel_guarded(state = self.state())]
    async fn start(&self, shutdown: CancellationToken) -> Option<u16> {
        Some(80)
    }
}

impl Service for StateCell {
    fn state(&self) -> &StateCell {
        self
    }
}

pub fn run() {
    assert_eq!(
        now(StateCell::new().start(CancellationToken::new())),
        Some(80)
    );
}
