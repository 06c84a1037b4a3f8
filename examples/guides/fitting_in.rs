//! Return types, sync functions, and other executors.

use std::io;

use axum::http::StatusCode;
use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

#[derive(Default)]
struct Jobs {
    state: StateCell,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`on_refused` takes the error by value"
)]
fn refused<T>(error: StartError) -> Result<T, StatusCode> {
    Err(match error {
        StartError::NotStartable { .. } => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    })
}

impl Jobs {
    #[cancel_guarded(state = self.state, on_refused = refused)]
    async fn start(&self, shutdown: CancellationToken) -> Result<&'static str, StatusCode> {
        yield_now().await;
        Ok("started")
    }
}

#[tokio::test]
async fn a_status_code_says_why() {
    let jobs = Jobs::default();
    assert_eq!(jobs.start(CancellationToken::new()).await, Ok("started"));
    let again = jobs.start(CancellationToken::new()).await;
    assert_eq!(again, Err(StatusCode::CONFLICT));
}

/// Whether the start was told to end. Then it has not failed.
fn was_told_to_end(error: &io::Error) -> bool {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        refusal,
        Some(StartError::Cancelled | StartError::StopRequested)
    )
}

async fn run_service(plugin: &Plugin, shutdown: CancellationToken) -> io::Result<()> {
    match plugin.start(shutdown) {
        Err(error) if was_told_to_end(&error) => return Ok(()), // the signal came first: exit code 0
        started => started?,
    }
    plugin.state.stopped().await.map_err(io::Error::other)
}

#[tokio::test]
async fn a_signal_during_the_start_is_no_error_of_the_program() {
    let (plugin, shutdown) = (Plugin::default(), CancellationToken::new());
    shutdown.cancel();
    run_service(&plugin, shutdown).await.unwrap();

    let again = plugin.start(CancellationToken::new()).unwrap_err();
    assert!(!was_told_to_end(&again), "{again}");
    assert!(!was_told_to_end(&io::Error::other("no port")));
}

#[derive(Default)]
struct Plugin {
    state: StateCell,
}

impl Plugin {
    #[cancel_guarded(state = self.state)]
    fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        tokio::spawn(self.state.serve(shutdown.cancelled_owned()));
        Ok(())
    }
}

#[tokio::test]
async fn a_sync_start_is_guarded() {
    let plugin = Plugin {
        state: StateCell::new(),
    };
    let shutdown = CancellationToken::new();
    plugin.start(shutdown.clone()).unwrap();
    assert!(plugin.state.is_running());
    shutdown.cancel();
    assert_eq!(plugin.state.state(), Lifecycle::Stopping);
    plugin.state.stopped().await.unwrap();
}

struct Poller {
    state: StateCell,
    tasks: TaskTracker,
}

impl Poller {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        let serving = self.state.serve(shutdown.cancelled_owned());
        self.tasks.spawn(serving);
        Ok(())
    }
}

#[tokio::test]
async fn a_task_tracker_spawns_it() {
    let poller = Poller {
        state: StateCell::new(),
        tasks: TaskTracker::new(),
    };
    poller.start(CancellationToken::new()).await.unwrap();
    poller.state.request_stop();
    poller.tasks.close();
    poller.tasks.wait().await;
    assert_eq!(poller.state.state(), Lifecycle::Stopped);
}
