//! The dependency under another name: `crate = ..` names it.

use cancel_guarded_tests::{CANCELLED, TestError, now};
use guard::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio_test::{assert_pending, assert_ready, task};

use Lifecycle::{Failed, Running, Stopped};

/// A crate that re-exports the library from its own dependencies.
mod framework {
    pub use ::guard as cancellation;
}

/// Covers every kind of generated code, since each names the runtime.
#[cancel_guarded(state = cell, restart, crate = guard, on_refused = |error| Err(error.into()))]
async fn renamed(
    cell: &StateCell,
    shutdown: CancellationToken,
    until: impl Future<Output = ()>,
) -> Result<u32, TestError> {
    std::future::ready(()).await;
    let _seen = shutdown.child_token();
    #[shielded]
    std::future::ready(()).await;
    until.await;
    Ok(7)
}

/// A path to a re-export.
#[framework::cancellation::cancel_guarded(
    run,
    state = cell,
    crate = crate::framework::cancellation
)]
async fn reexported(
    cell: &StateCell,
    shutdown: CancellationToken,
    until: impl Future<Output = ()>,
) -> Result<u32, TestError> {
    until.await;
    cell.store(Running);
    Ok(7)
}

/// A sync function.
#[cancel_guarded(state = cell, crate = guard)]
fn sync(cell: &StateCell, shutdown: &CancellationToken) -> Result<bool, TestError> {
    Ok(shutdown.is_cancelled())
}

/// An absolute path, and no state.
#[allow(clippy::manual_async_fn)]
#[cancel_guarded(crate = ::guard)]
fn absolute(
    shutdown: CancellationToken,
    until: impl Future<Output = ()>,
) -> impl Future<Output = Option<u32>> {
    async move {
        until.await;
        Some(7)
    }
}

#[test]
fn a_renamed_dependency_guards() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let mut start = task::spawn(renamed(&cell, token.clone(), std::future::pending()));
    assert_pending!(start.poll());
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(cell.state(), Failed);
    let started = now(renamed(&cell, CancellationToken::new(), async {}));
    assert_eq!(started, Ok(7));
    assert_eq!(cell.state(), Running);
}

#[test]
fn a_reexport_guards() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    token.cancel();
    let refused = now(reexported(&cell, token, async { panic!("polled") }));
    assert_eq!(refused, Err(CANCELLED));
    assert_eq!(cell.state(), Failed);

    let cell = StateCell::new();
    let started = now(reexported(&cell, CancellationToken::new(), async {}));
    assert_eq!(started, Ok(7));
    assert_eq!(cell.state(), Stopped);
}

#[test]
fn a_sync_function_is_guarded() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    assert_eq!(sync(&cell, &token), Ok(false));
    assert_eq!(cell.state(), Running);
    token.cancel();
    assert_eq!(cell.state(), Stopped);
    assert_eq!(sync(&StateCell::new(), &token), Err(CANCELLED));
}

#[test]
fn an_absolute_path_guards() {
    let token = CancellationToken::new();
    assert_eq!(now(absolute(token.clone(), async {})), Some(7));
    token.cancel();
    assert_eq!(now(absolute(token, async { panic!("polled") })), None);
}
