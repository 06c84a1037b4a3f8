use std::sync::Mutex;

use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;

struct Service {
    shutdown: CancellationToken,
    tokens: Mutex<Vec<CancellationToken>>,
}

impl Service {
    #[cancel_guarded(token = self.shutdown)]
    async fn of_a_field(&self) -> Option<u16> {
        Some(80)
    }

    #[cancel_guarded(token = self.tokens.lock().unwrap().pop())]
    async fn of_a_temporary(&self) -> Option<u16> {
        Some(80)
    }
}

pub fn run() {
    let service = Service {
        shutdown: CancellationToken::new(),
        tokens: Mutex::default(),
    };
    assert_eq!(now(service.of_a_field()), Some(80));
    assert_eq!(now(service.of_a_temporary()), Some(80));
}
