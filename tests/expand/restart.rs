use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

struct Service {
    state: StateCell,
}

impl Service {
    /// Binds the port.
    #[cancel_guarded(state = self.state, restart)]
    async fn start(&mut self, shutdown: CancellationToken) -> Option<u16> {
        Some(80)
    }
}

pub fn run() {
    let mut service = Service {
        state: StateCell::new(),
    };
    assert!(service.state.request_stop());
    assert_eq!(now(service.start(CancellationToken::new())), None);
    assert!(service.state.rearm());
    assert_eq!(now(service.start(CancellationToken::new())), Some(80));
}
