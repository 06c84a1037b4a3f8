//! Tells a registry that the service is up, in a part of the service.

use std::io;
use std::sync::{Arc, Mutex};

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::task::yield_now;

/// A registry, as far as the guide needs it. The log has what it was told.
#[derive(Clone, Default)]
struct Registry {
    log: Arc<Mutex<Vec<&'static str>>>,
}

/// Takes the registration back when it is dropped.
struct Registration(Registry);

impl Registry {
    async fn register(&self) -> io::Result<Registration> {
        let registration = Registration(self.clone());
        yield_now().await;
        self.log.lock().unwrap().push("register");
        Ok(registration)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.log.lock().unwrap().push("deregister");
    }
}

#[derive(Default)]
struct Server {
    state: StateCell,
    registry: Registry,
}

impl Server {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        yield_now().await;
        let registry = self.registry.clone();
        tokio::spawn(self.state.serve(async move {
            if let Some(registered) = shutdown.run_until_cancelled(registry.register()).await {
                let _registration = registered?;
                shutdown.cancelled().await;
            }
            Ok::<(), io::Error>(())
        }));
        Ok(())
    }
}

#[tokio::test]
async fn a_refused_start_tells_nothing() {
    let (server, shutdown) = (Server::default(), CancellationToken::new());
    let cancel = async { shutdown.cancel() };
    let (started, ()) = tokio::join!(biased; server.start(shutdown.clone()), cancel);
    started.unwrap_err();
    assert!(server.registry.log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stopped_service_has_taken_it_back() {
    let server = Server::default();
    server.start(CancellationToken::new()).await.unwrap();
    while server.registry.log.lock().unwrap().is_empty() {
        yield_now().await;
    }
    server.state.stop().await.unwrap();
    assert_eq!(
        *server.registry.log.lock().unwrap(),
        ["register", "deregister"]
    );
}

/// `running()` says that the service was up, also when it no longer is.
#[tokio::test]
async fn running_is_not_is_running() {
    let (server, shutdown) = (Server::default(), CancellationToken::new());
    let up = server.state.running();
    server.start(shutdown.clone()).await.unwrap();
    shutdown.cancel();
    assert_eq!(up.await, Ok(()));
    assert!(!server.state.is_running());
}
