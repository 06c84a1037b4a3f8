use std::sync::Arc;

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};

#[derive(Default)]
struct Service {
    state: StateCell,
    port: u16,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    fn start(&self, shutdown: CancellationToken) -> Result<u16, StartError> {
        if shutdown.is_cancelled() {
            return Ok(0);
        }
        Ok(self.port)
    }

    #[cancel_guarded(state = self.state)]
    fn start_mutably(&mut self, _shutdown: &CancellationToken) -> Result<&mut u16, StartError> {
        self.port += 1;
        Ok(&mut self.port)
    }

    #[cancel_guarded(state = self.state)]
    fn start_shared(self: Arc<Self>, _shutdown: CancellationToken) -> Option<Arc<Self>> {
        Some(self)
    }

    #[cancel_guarded(run, state = self.state)]
    fn run_to_its_end(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            self.state.request_stop();
        }
    }
}

pub fn run() {
    let token = CancellationToken::new();
    assert_eq!(Service::default().start(token.clone()), Ok(0));
    assert_eq!(Service::default().start_mutably(&token), Ok(&mut 1));
    let shared = Arc::new(Service::default()).start_shared(token.clone());
    assert!(shared.is_some_and(|service| service.state.is_running()));
    let service = Service::default();
    service.run_to_its_end(token.clone());
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    token.cancel();
    assert_eq!(
        Service::default().start(token),
        Err(StartError::Cancelled)
    );
}
