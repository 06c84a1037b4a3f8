use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(run, state = self.state)]
    async fn published_at_entry(&self, shutdown: CancellationToken) -> Option<u16> {
        assert!(self.state.is_running());
        while !shutdown.is_cancelled() {
            self.state.request_stop();
        }
        Some(80)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn published_by_a_store(&self, shutdown: CancellationToken) -> Option<u16> {
        let port = bind().await;
        self.state.store(Lifecycle::Running);
        drop(shutdown);
        Some(port)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn published_by_a_publisher(&self, shutdown: CancellationToken) -> Option<u16> {
        let up = self.state.publisher();
        assert!(up.publish());
        drop(shutdown);
        Some(80)
    }
}

#[cancel_guarded(run)]
async fn without_a_state(shutdown: CancellationToken) -> Option<u16> {
    drop(shutdown);
    Some(80)
}

async fn bind() -> u16 {
    80
}

pub fn run() {
    let service = || Service {
        state: StateCell::new(),
    };
    let token = CancellationToken::new;
    let (entry, store, publisher) = (service(), service(), service());
    assert_eq!(now(entry.published_at_entry(token())), Some(80));
    assert_eq!(now(store.published_by_a_store(token())), Some(80));
    assert_eq!(now(publisher.published_by_a_publisher(token())), Some(80));
    for service in [entry, store, publisher] {
        assert_eq!(service.state.state(), Lifecycle::Stopped);
    }
    assert_eq!(now(without_a_state(token())), Some(80));
}
