//! `testing::sweep`, on starts that keep the guarantees and on starts that break them.
#![cfg(feature = "testing")]

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancel_guarded::testing::{MOST_POINTS, PATIENCE, Report, Sweep, sweep};
use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::yield_now;

/// A server on a real port, which talks to a peer before it is up.
#[derive(Clone)]
struct Server {
    state: StateCell,
    peer: std::net::SocketAddr,
}

impl Server {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> std::io::Result<()> {
        let mut peer = TcpStream::connect(self.peer).await?;
        peer.write_all(b"?").await?;
        peer.read_u8().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        tokio::spawn(self.state.serve(async move {
            tokio::select! {
                _ = listener.accept() => {}
                () = shutdown.cancelled() => {}
            }
        }));
        Ok(())
    }
}

/// A sweep that counts the tasks of the runtime.
fn counting_tasks() -> Sweep {
    Sweep::new().counting("tasks", || Handle::current().metrics().num_alive_tasks())
}

#[tokio::test]
async fn a_server_on_real_sockets() {
    let directory = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let peer = directory.local_addr().expect("has an address");
    let answering = tokio::spawn(async move {
        while let Ok((mut asking, _)) = directory.accept().await {
            tokio::spawn(async move {
                if asking.read_u8().await.is_ok() {
                    let _ = asking.write_u8(b'!').await;
                }
            });
        }
    });
    let report = counting_tasks()
        .run(|shutdown| {
            let server = Server {
                state: StateCell::new(),
                peer,
            };
            let state = server.state.clone();
            (state, async move { server.start(shutdown).await })
        })
        .await;
    answering.abort();
    assert!(report.points() >= 2, "it connects and it reads:\n{report}");
    assert_eq!(report.successes(), 1, "{report}");
}

/// Waits three times.
#[cancel_guarded(state = state)]
async fn waits(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    yield_now().await;
    yield_now().await;
    yield_now().await;
    drop(shutdown);
    Ok(())
}

#[tokio::test]
async fn every_point_is_visited() {
    let runs = AtomicUsize::new(0);
    let report: Report = sweep(|shutdown| {
        runs.fetch_add(1, Ordering::Relaxed);
        let state = StateCell::new();
        (state.clone(), async move { waits(&state, shutdown).await })
    })
    .await;
    assert_eq!(
        report.to_string(),
        "suspension points           3\n\
         cancelled and refused       7\n\
         cancelled once running      1\n\
         dropped while starting      3"
    );
    assert_eq!(
        (
            report.points(),
            report.refusals(),
            report.successes(),
            report.drops()
        ),
        (3, 7, 1, 3)
    );
    assert_eq!(
        runs.load(Ordering::Relaxed),
        12,
        "one run each, and one that is never polled"
    );
}

/// Refuses quietly.
#[cancel_guarded(state = state, on_refused = |_| Ok(()))]
async fn quiet(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_quiet_start() {
    let report = sweep(|shutdown| {
        let state = StateCell::new();
        (state.clone(), async move { quiet(&state, shutdown).await })
    })
    .await;
    assert_eq!((report.refusals(), report.successes()), (3, 1), "{report}");
}

/// Works before the guarded part.
async fn works_first(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    yield_now().await;
    waits(&state, shutdown).await
}

#[tokio::test]
async fn work_before_the_guard_is_caught() {
    let message = caught(|shutdown| {
        let state: StateCell = StateCell::new();
        (state.clone(), works_first(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled before the first poll: the start has waited, and not returned at its \
         first poll"
    );
}

/// Is guarded by another token than its parameter.
async fn other_token(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    let other = CancellationToken::new();
    let start = waits(&state, other.clone());
    tokio::pin!(start);
    tokio::select! {
        biased;
        result = &mut start => return result,
        () = shutdown.cancelled() => other.cancel(),
    }
    start.await
}

#[tokio::test]
async fn a_start_under_another_token_is_caught() {
    let message = caught(|shutdown| {
        let state: StateCell = StateCell::new();
        (state.clone(), other_token(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled before the first poll: an attempt has begun, and STARTING could be read"
    );
}

/// Runs until it is cancelled.
#[cancel_guarded(state = state, shielded)]
async fn runs(state: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    yield_now().await;
    state.store(Lifecycle::Running);
    shutdown.cancelled().await;
    yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_run_until_cancelled_function() {
    let report = sweep(|shutdown| {
        let state = StateCell::new();
        (state.clone(), async move { runs(&state, shutdown).await })
    })
    .await;
    assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
}

/// Returns the message that a sweep of `make` fails with. These starts wait for polls only, so the
/// time budget is short.
async fn caught<M, F>(make: M) -> String
where
    M: FnMut(CancellationToken) -> (StateCell, F) + Send + 'static,
    F: Future<Output = Result<(), StartError>> + Send + 'static,
{
    caught_by(Sweep::new().patience(Duration::ZERO), make).await
}

async fn caught_by<M, F>(sweep: Sweep, make: M) -> String
where
    M: FnMut(CancellationToken) -> (StateCell, F) + Send + 'static,
    F: Future<Output = Result<(), StartError>> + Send + 'static,
{
    let swept = tokio::spawn(sweep.run(make)).await;
    let panic = swept.expect_err("the sweep fails").into_panic();
    *panic.downcast::<String>().expect("with a message")
}

#[tokio::test]
async fn a_start_without_a_guard_is_caught() {
    let message = caught(|_shutdown| {
        let state = StateCell::new();
        (state, async { Ok(()) })
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled before the first poll: the start returned success, and never published"
    );
}

/// Keeps its service alive in a task that never ends.
#[cancel_guarded(state = state)]
async fn leaves_a_task(
    state: Arc<StateCell>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let orphan = Arc::clone(&state);
    tokio::spawn(async move {
        let _orphan = orphan;
        pending::<()>().await;
    });
    yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_task_that_outlives_a_refusal_is_caught() {
    let message = caught(|shutdown| {
        let state: StateCell = StateCell::new();
        let handle = state.clone();
        (state, leaves_a_task(Arc::new(handle), shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled at suspension point 1, after the poll: something that the start has \
         spawned still holds the cell"
    );
}

/// Keeps a port open in a task that never ends and does not hold the cell.
#[cancel_guarded(state = state)]
async fn leaves_a_port(state: StateCell, shutdown: CancellationToken) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    yield_now().await;
    Ok(())
}

/// Calls [`leaves_a_port`] and returns the other starts' error type.
fn leaving_a_port(
    shutdown: CancellationToken,
) -> (StateCell, impl Future<Output = Result<(), StartError>>) {
    let state = StateCell::new();
    let start = leaves_a_port(state.clone(), shutdown);
    let refused = |_| StartError::Cancelled;
    (state, async move { start.await.map_err(refused) })
}

#[tokio::test]
async fn counting_finds_a_port_after_a_refusal() {
    let sweep = counting_tasks().patience(Duration::ZERO);
    let message = caught_by(sweep, leaving_a_port).await;
    // The count includes the task that `caught_by` spawns.
    assert_eq!(
        message,
        "sweep: cancelled at suspension point 1, after the poll: tasks: 2 now, 1 before the \
         sweep; what the start has begun outlives it"
    );
}

/// The reason for [`Sweep::counting`].
#[tokio::test]
async fn without_counting_a_leaked_port_is_missed() {
    let report = sweep(leaving_a_port).await;
    assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
}

/// Serves in a task that ignores the token. Only a success leaves the task.
#[cancel_guarded(state = state)]
async fn leaves_a_task_once_up(
    state: StateCell,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    yield_now().await;
    tokio::spawn(pending::<()>());
    Ok(())
}

#[tokio::test]
async fn counting_finds_a_task_after_the_service() {
    let sweep = counting_tasks().patience(Duration::ZERO);
    let message = caught_by(sweep, |shutdown| {
        let state: StateCell = StateCell::new();
        (state.clone(), leaves_a_task_once_up(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled after the start had succeeded: tasks: 2 now, 1 before the sweep; what \
         the start has begun outlives it"
    );
}

/// Spawns before the guard is entered, as a function that is not `async` can.
fn spawns_at_the_call(
    state: StateCell,
    shutdown: CancellationToken,
) -> impl Future<Output = Result<(), StartError>> {
    tokio::spawn(pending::<()>());
    async move { waits(&state, shutdown).await }
}

#[tokio::test]
async fn counting_finds_a_task_before_the_guard() {
    let sweep = counting_tasks().patience(Duration::ZERO);
    let message = caught_by(sweep, |shutdown| {
        let state = StateCell::new();
        (state.clone(), spawns_at_the_call(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled before the first poll: tasks: 2 now, 1 before the sweep; what the \
         start has begun outlives it"
    );
}

/// Leaves a task that ends some polls after it is cancelled.
#[cancel_guarded(state = state)]
async fn leaves_a_slow_task(
    state: StateCell,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    tokio::spawn(async move {
        shutdown.cancelled().await;
        for _ in 0..20 {
            yield_now().await;
        }
    });
    yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_draining_service_is_waited_for() {
    let _before = tokio::spawn(pending::<()>());
    let report = counting_tasks()
        .run(|shutdown| {
            let state: StateCell = StateCell::new();
            (state.clone(), leaves_a_slow_task(state, shutdown))
        })
        .await;
    assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
}

/// Serves a future and never spawns it.
#[cancel_guarded(state = state)]
async fn forgets_to_spawn(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    drop(state.serve(pending::<()>()));
    std::future::ready(()).await;
    Ok(())
}

#[tokio::test]
async fn a_served_future_that_is_not_spawned_is_caught() {
    let message = caught(|shutdown| {
        let state = StateCell::new();
        (state.clone(), forgets_to_spawn(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: the start failed though nobody cancelled it: \
         start refused: the service failed while it started \
         (a served future was dropped before it had ended)"
    );
}

/// Serves a future that ignores the token.
#[cancel_guarded(state = state)]
async fn serves_for_ever(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    tokio::spawn(state.serve(pending::<()>()));
    Ok(())
}

#[tokio::test]
async fn a_service_that_ignores_its_token_is_caught() {
    let message = caught(|shutdown| {
        let state = StateCell::new();
        (state.clone(), serves_for_ever(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: cancelled after the start had succeeded: what it serves has not ended for 0ns; \
         does it watch the token?"
    );
}

/// Publishes on the wrong cell.
#[cancel_guarded(state = guarded)]
async fn two_cells(guarded: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    yield_now().await;
    Ok(())
}

#[tokio::test]
async fn a_start_on_another_cell_is_caught() {
    let message = caught(|shutdown| {
        let shown: StateCell = StateCell::new();
        (shown, two_cells(StateCell::new(), shutdown))
    })
    .await;
    assert!(
        message.starts_with("sweep: cancelled before the first poll: the state is Created"),
        "{message}"
    );
}

#[tokio::test]
async fn a_start_that_fails_by_itself_is_reported() {
    let message = caught(|_shutdown| {
        let state = StateCell::new();
        (state, async { Err(StartError::Failed) })
    })
    .await;
    assert!(message.contains("the state is Created"), "{message}");
}

#[cancel_guarded(state = state)]
async fn never_returns(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    pending().await
}

fn never_returning(
    shutdown: CancellationToken,
) -> (StateCell, impl Future<Output = Result<(), StartError>>) {
    let state = StateCell::new();
    (state.clone(), never_returns(state, shutdown))
}

#[tokio::test]
async fn a_start_that_never_returns_is_given_up() {
    let message = caught(never_returning).await;
    assert_eq!(
        message,
        "sweep: the start has waited 0ns for what does not come; does its body wait for something \
         that it serves, which runs only once it has returned, or run until it is cancelled without \
         `store(RUNNING)`, or need more `Sweep::patience`?"
    );
}

/// No other task wakes the sweep.
#[tokio::test]
async fn the_timeout_ends_a_sweep() {
    let sweep = Sweep::new().patience(Duration::from_millis(10));
    let message = caught_by(sweep, never_returning).await;
    assert!(
        message.starts_with("sweep: the start has waited 10ms for what does not come"),
        "{message}"
    );
}

#[tokio::test]
async fn progress_restarts_the_timeout() {
    let report = Sweep::new()
        .patience(Duration::ZERO)
        .run(|shutdown| {
            let state = StateCell::new();
            (state.clone(), async move { waits(&state, shutdown).await })
        })
        .await;
    assert_eq!(report.points(), 3, "{report}");
}

#[test]
fn the_default_bounds_are_as_documented() {
    assert_eq!((PATIENCE, MOST_POINTS), (Duration::from_secs(5), 1_000));
    let sweep = Sweep::new().counting("tasks", || 0);
    assert_eq!(
        format!("{sweep:?}"),
        "Sweep { patience: 5s, most_points: 1000, counted: [\"tasks\"] }"
    );
}

#[cancel_guarded(state = state)]
async fn polls_for_ever(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    loop {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_start_with_endless_points_is_given_up() {
    let sweep = Sweep::new().most_points(20);
    let message = caught_by(sweep, |shutdown| {
        let state: StateCell = StateCell::new();
        (state.clone(), polls_for_ever(state, shutdown))
    })
    .await;
    assert_eq!(
        message,
        "sweep: the start has more than 20 suspension points; does it ever return?"
    );
}
