use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

struct Service {
    state: StateCell,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        prepare().await;
        self.state.store(Lifecycle::Running);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = prepare() => {}
        }
        self.state.store(Lifecycle::Stopping);
        prepare().await;
        Ok(())
    }
}

async fn prepare() {}

pub fn run() {
    let service = Service {
        state: StateCell::new(),
    };
    assert_eq!(now(service.run(CancellationToken::new())), Ok(()));
    assert_eq!(service.state.state(), Lifecycle::Stopped);
}
