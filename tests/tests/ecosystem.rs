//! The guard together with what tokio services use: test and main attributes, task sets and
//! trackers, supervisors, error types.
//!
//! Other executors are in `stress.rs`, `#[instrument]` is in `forms/instrument.rs`, return types
//! are in `forms/returns.rs`.

use std::cell::Cell;
use std::error::Error;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{Flag, now};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tokio_graceful_shutdown::errors::{GracefulShutdownError, SubsystemError};
use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};
use tokio_util::task::TaskTracker;

/// A service with two tasks.
#[derive(Clone, Debug, Default)]
struct Worker {
    state: StateCell,
    tasks: TaskTracker,
    /// Whether one of its tasks was polled.
    served: Flag,
    /// The token of the body, which is cancelled at the end of the attempt.
    seen: Seen,
}

type Seen = Arc<Mutex<Option<CancellationToken>>>;

impl Worker {
    /// Spawns the tasks, and then waits.
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        rest: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        *self.seen.lock().expect("nobody panics with it") = Some(shutdown.clone());
        for _ in 0..2 {
            let (served, shutdown) = (self.served.clone(), shutdown.clone());
            let serving = async move {
                served.set();
                shutdown.cancelled().await;
            };
            self.tasks.spawn(self.state.serve(serving));
        }
        rest.await;
        Ok(())
    }

    async fn reaches(&self, state: Lifecycle) {
        self.state.wait_for(|now| now == state).await;
    }

    fn failure(&self) -> Option<FailureKind> {
        self.state.failure().map(|failure| failure.kind())
    }

    /// Asserts that no part of a refused attempt is left.
    async fn assert_nothing_left(&self) {
        assert_eq!(self.state.state(), Lifecycle::Failed);
        let seen = self.seen.lock().expect("nobody panics with it").take();
        let seen = seen.expect("the body saw a token");
        assert!(seen.is_cancelled(), "its token is cancelled");
        self.tasks.close();
        self.tasks.wait().await;
        assert!(!self.served.is_set(), "its tasks never ran");
    }
}

fn cancelled() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

#[tokio::test]
async fn in_a_test() {
    let (worker, token) = (Worker::default(), CancellationToken::new());
    assert_eq!(worker.start(token.clone(), async {}).await, Ok(()));
    token.cancel();
    assert_eq!(worker.state.state(), Lifecycle::Stopping);
    assert_eq!(worker.state.stopped().await, Ok(()));
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
}

/// The start and its cancellation are on two threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_test_with_threads() {
    let (worker, token) = (Worker::default(), CancellationToken::new());
    let (tell, told) = oneshot::channel();
    let rest = async {
        tell.send(()).expect("the test listens");
        pending::<()>().await;
    };
    let starting = tokio::spawn({
        let (worker, token) = (worker.clone(), token.clone());
        async move { worker.start(token, rest).await }
    });
    told.await.expect("the body runs");
    token.cancel();
    let started = starting.await.expect("it does not panic");
    assert_eq!(started, Err(StartError::Cancelled));
    worker.assert_nothing_left().await;
}

/// The guard has no timer: paused time advances while the body waits.
#[tokio::test(start_paused = true)]
async fn in_a_test_with_paused_time() {
    let worker = Worker::default();
    let begin = tokio::time::Instant::now();
    let warm_up = tokio::time::sleep(Duration::from_secs(3600));
    assert_eq!(
        worker.start(CancellationToken::new(), warm_up).await,
        Ok(())
    );
    assert_eq!(begin.elapsed(), Duration::from_secs(3600));
    assert_eq!(worker.state.stop().await, Ok(()));
}

/// A test may be guarded: the attribute comes first, before the runtime exists.
#[cancel_guarded(token = cancelled(), on_refused = |error| assert_eq!(error, StartError::Cancelled))]
#[tokio::test]
async fn above_the_attribute_of_a_test() {
    unreachable!("it is refused");
}

/// `main` may be guarded, too. It is over when the service is over.
#[cancel_guarded(run, state = worker.state)]
#[tokio::main(flavor = "current_thread")]
async fn guarded_main(worker: &Worker, shutdown: CancellationToken) -> Result<(), StartError> {
    tokio::task::yield_now().await;
    assert!(worker.state.is_running());
    assert!(!shutdown.is_cancelled());
    Ok(())
}

#[test]
fn above_the_attribute_of_main() {
    let worker = Worker::default();
    assert_eq!(
        guarded_main(&worker, cancelled()),
        Err(StartError::Cancelled)
    );
    assert_eq!(worker.failure(), Some(FailureKind::Cancelled));

    let worker = Worker::default();
    assert_eq!(guarded_main(&worker, CancellationToken::new()), Ok(()));
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
}

/// The usual `main`: start, wait for the signal, stop.
#[tokio::main]
async fn usual_main(worker: &Worker, signal: impl Future<Output = ()>) -> Result<(), StartError> {
    let shutdown = CancellationToken::new();
    worker.start(shutdown.clone(), async {}).await?;
    signal.await;
    shutdown.cancel();
    worker.state.stopped().await.map_err(StartError::Failed)
}

#[test]
fn called_from_main() {
    let worker = Worker::default();
    assert_eq!(usual_main(&worker, async {}), Ok(()));
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
    assert_eq!(
        usual_main(&worker, async {}),
        Err(StartError::NotStartable { state: "Stopped" })
    );
}

#[tokio::test]
async fn what_serves_on_a_tracker() {
    let worker = Worker::default();
    let started = worker.start(CancellationToken::new(), async {}).await;
    assert_eq!(started, Ok(()));
    assert_eq!(worker.tasks.len(), 2);

    assert_eq!(worker.state.stop().await, Ok(()));
    worker.tasks.close();
    worker.tasks.wait().await;
    assert!(worker.served.is_set());
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
}

#[tokio::test]
async fn a_tracker_does_not_wait_for_what_was_refused() {
    let (worker, token) = (Worker::default(), CancellationToken::new());
    let starting = worker.start(token.clone(), async {
        token.cancel();
        pending::<()>().await;
    });
    assert_eq!(starting.await, Err(StartError::Cancelled));
    worker.assert_nothing_left().await;
}

/// A guarded service as a subsystem: it starts under the token of the subsystem, and lives as long.
async fn subsystem(
    worker: Worker,
    rest: impl Future<Output = ()>,
    subsystem: &mut SubsystemHandle,
) -> Result<(), StartError> {
    let shutdown = subsystem.create_cancellation_token();
    worker.start(shutdown, rest).await?;
    worker.state.stopped().await.map_err(StartError::Failed)
}

/// A program with that subsystem, which ends when `token` is cancelled.
async fn program(
    worker: Worker,
    rest: impl Future<Output = ()> + Send + 'static,
    token: CancellationToken,
) -> Result<(), GracefulShutdownError> {
    let root = async move |root: &mut SubsystemHandle| {
        let worker =
            async move |handle: &mut SubsystemHandle| subsystem(worker, rest, handle).await;
        root.start(SubsystemBuilder::new("worker", worker));
    };
    Toplevel::new_with_shutdown_token(root, token)
        .handle_shutdown_requests(Duration::MAX)
        .await
}

#[tokio::test]
async fn a_subsystem_is_shut_down() {
    let (worker, token) = (Worker::default(), CancellationToken::new());
    let running = worker.state.running();
    let program = tokio::spawn(program(worker.clone(), async {}, token.clone()));
    running.await.expect("it comes up");

    token.cancel();
    assert!(!worker.state.is_running(), "inside cancel()");
    let ended = program.await.expect("it does not panic");
    ended.expect("a clean shutdown");
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
}

#[tokio::test]
async fn a_subsystem_is_shut_down_while_it_starts() {
    let (worker, token) = (Worker::default(), CancellationToken::new());
    let program = tokio::spawn(program(worker.clone(), pending(), token.clone()));
    worker.reaches(Lifecycle::Starting).await;

    token.cancel();
    let ended = program.await.expect("it does not panic");
    let error = ended.expect_err("the refusal is the subsystem's error");
    let [SubsystemError::Failed(name, refused)] = error.get_subsystem_errors() else {
        panic!("one subsystem failed: {error:?}");
    };
    assert_eq!(name.as_ref(), "/worker");
    assert_eq!(
        refused.get_error().downcast_ref(),
        Some(&StartError::Cancelled)
    );
    assert_eq!(worker.failure(), Some(FailureKind::Cancelled));
    worker.assert_nothing_left().await;
}

#[tokio::test]
async fn a_subsystem_of_a_program_that_is_over() {
    let worker = Worker::default();
    let ended = program(worker.clone(), async {}, cancelled()).await;
    ended.expect_err("the refusal is the subsystem's error");
    assert_eq!(worker.state.state(), Lifecycle::Failed);
    assert!(worker.tasks.is_empty(), "the body never ran");
}

/// A service on one thread. What it serves is not `Send`.
#[derive(Clone, Default)]
struct Local {
    state: StateCell,
    connections: Rc<Cell<u32>>,
}

impl Local {
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        rest: impl Future<Output = ()>,
    ) -> Result<Rc<Cell<u32>>, StartError> {
        let connections = Rc::clone(&self.connections);
        let drained = Rc::clone(&connections);
        tokio::task::spawn_local(self.state.serve_local(async move {
            drained.set(1);
            shutdown.cancelled().await;
            drained.set(0);
        }));
        rest.await;
        Ok(connections)
    }
}

#[tokio::test]
async fn on_a_local_set() {
    let tasks = LocalSet::new();
    let up = Local::default();
    let refused = Local::default();
    let token = CancellationToken::new();
    tasks
        .run_until(async {
            let connections = up.start(token.clone(), async {}).await.expect("it starts");
            let starting = tokio::task::spawn_local({
                let (refused, token) = (refused.clone(), token.clone());
                async move { refused.start(token, pending()).await.err() }
            });
            let reached = refused.state.wait_for(|now| now == Lifecycle::Starting);
            reached.await;
            tokio::task::yield_now().await;
            assert_eq!(connections.get(), 1, "it serves");

            token.cancel();
            let starting = starting.await.expect("it does not panic");
            assert_eq!(starting, Some(StartError::Cancelled));
            assert_eq!(up.state.stopped().await, Ok(()));
            assert_eq!(connections.get(), 0, "it has drained");
            // Its own task drops the served future, which this waits for.
            assert_eq!(refused.state.stopped().await, Ok(()));
        })
        .await;
    assert_eq!(up.state.state(), Lifecycle::Stopped);
    assert_eq!(refused.state.state(), Lifecycle::Failed);
    assert_eq!(Rc::strong_count(&refused.connections), 1, "nothing is left");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long() {
    let worker = Worker::default();
    let start = worker.start(CancellationToken::new(), pending());
    let started = tokio::time::timeout(Duration::from_secs(30), start).await;
    started.expect_err("it takes for ever");
    assert_eq!(worker.failure(), Some(FailureKind::Dropped));
    worker.assert_nothing_left().await;
}

#[tokio::test]
async fn starts_in_a_join_set() {
    let token = CancellationToken::new();
    let ready = Worker::default();
    let waiting = [Worker::default(), Worker::default()];
    let mut starts = JoinSet::new();
    for worker in &waiting {
        let (worker, token) = (worker.clone(), token.clone());
        starts.spawn(async move { worker.start(token, pending()).await });
    }
    starts.spawn({
        let (worker, token) = (ready.clone(), token.clone());
        async move { worker.start(token, async {}).await }
    });
    let first = starts.join_next().await.expect("there are three");
    assert_eq!(first.expect("it does not panic"), Ok(()));
    for worker in &waiting {
        worker.reaches(Lifecycle::Starting).await;
    }

    token.cancel();
    assert_eq!(
        starts.join_all().await,
        [Err(StartError::Cancelled), Err(StartError::Cancelled)]
    );
    for worker in &waiting {
        worker.assert_nothing_left().await;
    }
    assert_eq!(ready.state.stopped().await, Ok(()));
    assert_eq!(ready.state.state(), Lifecycle::Stopped);
}

#[tokio::test]
async fn a_start_that_is_aborted() {
    let worker = Worker::default();
    let starting = tokio::spawn({
        let worker = worker.clone();
        async move { worker.start(CancellationToken::new(), pending()).await }
    });
    worker.reaches(Lifecycle::Starting).await;
    starting.abort_handle().abort();
    let aborted = starting.await.expect_err("it is aborted");
    assert!(aborted.is_cancelled());
    assert_eq!(worker.failure(), Some(FailureKind::Dropped));
    worker.assert_nothing_left().await;
}

#[tokio::test]
async fn a_task_of_a_running_service_that_is_aborted() {
    let state = StateCell::new();
    let (mut spawn, token) = (None, CancellationToken::new());
    let started = serving(&state, token.clone(), |serving| {
        spawn = Some(tokio::spawn(serving));
    });
    started.await.expect("it starts");
    spawn.expect("the body spawned it").abort();
    let failure = state.stopped().await.expect_err("its task was aborted");
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert!(!token.is_cancelled(), "the caller's token is not ours");
}

type Serving = cancel_guarded::Served<Lifecycle, std::future::Pending<()>>;

#[cancel_guarded(state = state)]
async fn serving(
    state: &StateCell,
    shutdown: CancellationToken,
    spawn: impl FnOnce(Serving),
) -> Result<(), StartError> {
    spawn(state.serve(pending()));
    Ok(())
}

/// A client that ignores its token. The deadline is tokio's, and so is the clock.
#[tokio::test(start_paused = true)]
async fn a_deadline_for_a_stop() {
    let worker = Worker::default();
    let started = worker.start(CancellationToken::new(), async {}).await;
    assert_eq!(started, Ok(()));
    let client = tokio::spawn(worker.state.track(pending::<()>()));
    tokio::task::yield_now().await;

    let begin = tokio::time::Instant::now();
    let deadline = tokio::time::sleep(Duration::from_secs(10));
    let stopped = worker.state.stop_or_abort(deadline).await;
    let failure = stopped.expect_err("by force");
    assert_eq!(failure.kind(), FailureKind::Dropped);
    assert_eq!(begin.elapsed(), Duration::from_secs(10));
    assert_eq!(client.await.expect("no panic"), None, "it was dropped");
    assert!(worker.served.is_set(), "the others left by themselves");
}

/// A blocking thread is a part by its guard, and a service waits for it.
#[tokio::test]
async fn a_blocking_thread_is_a_part() {
    #[cancel_guarded(state = state)]
    async fn start(
        state: &StateCell,
        shutdown: CancellationToken,
        jobs: std::sync::mpsc::Receiver<u32>,
        done: Arc<Mutex<Vec<u32>>>,
    ) -> Result<(), StartError> {
        let guard = state.serve_guard();
        tokio::task::spawn_blocking(move || {
            let handle = tokio::runtime::Handle::current();
            if handle.block_on(guard.published()).is_ok() {
                done.lock().expect("nobody panics with it").extend(jobs);
            }
        });
        Ok(())
    }

    let (state, done) = (StateCell::new(), Arc::default());
    let (send, jobs) = std::sync::mpsc::channel();
    let token = CancellationToken::new();
    let started = start(&state, token.clone(), jobs, Arc::clone(&done)).await;
    assert_eq!(started, Ok(()));
    token.cancel();
    assert_eq!(state.state(), Lifecycle::Stopping, "the thread works on");
    send.send(7).expect("the thread listens");
    drop(send);
    assert_eq!(state.stopped().await, Ok(()));
    assert_eq!(*done.lock().expect("nobody panics with it"), [7]);
}

#[tokio::test]
async fn a_blocking_thread_of_a_refused_start_hears_of_it() {
    let (state, token) = (StateCell::<Lifecycle>::new(), CancellationToken::new());
    let attempt = state.begin(&token).expect("nothing is in its way");
    let guard = state.serve_guard();
    let thread = tokio::task::spawn_blocking(move || {
        let handle = tokio::runtime::Handle::current();
        handle.block_on(guard.published()).is_ok()
    });
    token.cancel();
    let refused = attempt.start(async |_| Ok::<_, StartError>(())).await;
    assert_eq!(refused, Err(StartError::Cancelled), "it does not wait");
    assert_eq!(state.stopped().await, Ok(()));
    assert_eq!(state.state(), Lifecycle::Failed);
    assert!(!thread.await.expect("no panic"), "it never ran");
}

#[derive(Debug, thiserror::Error)]
enum ServerError {
    #[error(transparent)]
    Refused(#[from] StartError),
    #[error("cannot read the configuration")]
    Configuration(#[source] std::io::Error),
}

#[cancel_guarded]
async fn with_thiserror(shutdown: CancellationToken) -> Result<(), ServerError> {
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(ServerError::Configuration(missing))
}

#[test]
fn an_error_derived_by_thiserror() {
    let refused = now(with_thiserror(cancelled())).expect_err("refused");
    assert!(matches!(
        refused,
        ServerError::Refused(StartError::Cancelled)
    ));
    assert_eq!(refused.to_string(), StartError::Cancelled.to_string());

    let own = now(with_thiserror(CancellationToken::new())).expect_err("its own error");
    let source = own.source().expect("it has a source");
    assert!(source.is::<std::io::Error>());
}

#[cancel_guarded]
async fn with_boxed(shutdown: CancellationToken) -> Result<(), Box<dyn Error + Send + Sync>> {
    Ok(())
}

#[test]
fn a_boxed_error_gives_the_refusal_back() {
    let refused = now(with_boxed(cancelled())).expect_err("refused");
    assert_eq!(
        *refused.downcast::<StartError>().expect("its type"),
        StartError::Cancelled
    );
}

/// A caller that passes the refusal on as `io::Error` can find it as the source.
#[test]
fn an_io_error_gives_the_refusal_back() {
    #[derive(Debug, thiserror::Error)]
    #[error("not started")]
    struct NotStarted(#[source] std::io::Error);

    let refusal = || StartError::Failed(Failure::new("disk full"));

    let refused = NotStarted(refusal().into());
    let source = refused.source().and_then(|error| error.downcast_ref());
    let io: &std::io::Error = source.expect("an io::Error");
    assert_eq!(io.kind(), std::io::ErrorKind::Other);
    assert_eq!(io.to_string(), refusal().to_string());
    let inner = io.get_ref().and_then(|error| error.downcast_ref());
    assert_eq!(inner, Some(&refusal()));
}
