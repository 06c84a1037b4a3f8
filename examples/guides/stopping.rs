//! Stops with a deadline, threads, and several services in order.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use cancel_guarded::{
    CancellationToken, Failure, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use tokio::time::{Instant, sleep};

/// How long one service may take to stop.
const LIMIT: Duration = Duration::from_secs(10);

struct Ticker {
    state: StateCell,
    root: CancellationToken,
}

impl Ticker {
    #[cancel_guarded(state = self.state, token = self.root)]
    async fn start(&self) -> io::Result<()> {
        let own = self.state.token().expect("a start is under way"); // `stop()` does not cancel `root`
        tokio::spawn(self.state.serve(async move { own.cancelled().await }));
        Ok(())
    }
}

#[tokio::test]
async fn a_service_guarded_by_a_token_of_its_own_stops_by_its_cell_or_by_that() {
    for by_its_cell in [true, false] {
        let ticker = Ticker {
            state: StateCell::new(),
            root: CancellationToken::new(),
        };
        ticker.start().await.unwrap();
        if by_its_cell {
            ticker.state.stop().await.unwrap();
        } else {
            ticker.root.cancel();
            ticker.state.stopped().await.unwrap();
        }
        assert_eq!(ticker.root.is_cancelled(), !by_its_cell);
    }
}

#[derive(Default)]
struct Worker {
    state: StateCell,
}

impl Worker {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<mpsc::Sender<u32>> {
        let (jobs, inbox) = mpsc::channel();
        let guard = self.state.serve_guard();
        std::thread::spawn(move || {
            let _guard = guard; // dropped last, and the service ends with it
            let inbox = inbox;
            while !shutdown.is_cancelled() {
                if let Ok(job) = inbox.recv_timeout(Duration::from_millis(10)) {
                    println!("job {job}");
                }
            }
        });
        Ok(jobs)
    }
}

#[tokio::test]
async fn the_service_waits_for_its_thread() {
    let worker = Worker::default();
    let jobs = worker.start(CancellationToken::new()).await.unwrap();
    jobs.send(1).unwrap();
    worker.state.stop().await.unwrap();
    assert_eq!(worker.state.state(), Lifecycle::Stopped);
    jobs.send(2).unwrap_err();
}

/// A service whose served future may ignore its token, or whose start may fail.
#[derive(Default)]
struct Service {
    state: StateCell,
    is_stubborn: bool,
    is_broken: bool,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("broken"));
        }
        let is_stubborn = self.is_stubborn;
        tokio::spawn(self.state.serve(async move {
            shutdown.cancelled().await;
            if is_stubborn {
                std::future::pending::<()>().await;
            }
        }));
        Ok(())
    }
}

/// Stops the service. After the second signal, it has one second left.
async fn drain(state: &StateCell, second_signal: impl Future) -> Result<(), Failure> {
    let shortened = async {
        second_signal.await;
        state.stop_or_abort(sleep(Duration::from_secs(1))).await
    };
    tokio::select! {
        ended = state.stop_or_abort(sleep(LIMIT)) => ended,
        ended = shortened => ended,
    }
}

/// A service that never ends by itself, running.
async fn stubborn() -> Service {
    let service = Service {
        is_stubborn: true,
        ..Service::default()
    };
    service.start(CancellationToken::new()).await.unwrap();
    service
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_shortens_the_drain() {
    let (service, begun) = (stubborn().await, Instant::now());
    let failure = drain(&service.state, std::future::pending::<()>()).await;
    assert_eq!(failure.unwrap_err().kind(), FailureKind::Dropped);
    assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs());

    let (service, begun) = (stubborn().await, Instant::now());
    let failure = drain(&service.state, sleep(Duration::from_secs(2))).await;
    assert_eq!(failure.unwrap_err().kind(), FailureKind::Dropped);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

/// Stops the service. A failure from before the stop is reported, and is no failure of the stop.
async fn stop_supervised(state: &StateCell) -> Result<(), Failure> {
    match state.stop_or_abort(sleep(LIMIT)).await {
        Err(failure) if failure.kind() == FailureKind::Cancelled => Ok(()), // it was starting
        Err(failure) if !failure.was_told_to_end() => {
            eprintln!("had failed before the stop: {failure}");
            Ok(())
        }
        ended => ended,
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_from_before_the_stop_is_told_apart() {
    let service = Service::default();
    service.start(CancellationToken::new()).await.unwrap();
    service.state.fail("no disk");
    service.state.stopped().await.unwrap_err();
    assert_eq!(
        service.state.stop().await.unwrap_err().to_string(),
        "no disk"
    );
    stop_supervised(&service.state).await.unwrap();

    let (service, shutdown) = (Service::default(), CancellationToken::new());
    shutdown.cancel();
    service.start(shutdown).await.unwrap_err();
    stop_supervised(&service.state).await.unwrap();

    let service = stubborn().await;
    stop_supervised(&service.state).await.unwrap_err();
}

#[derive(Default)]
struct App {
    database: Service,
    server: Service,
}

async fn bring_up(app: &App, shutdown: &CancellationToken) -> io::Result<()> {
    let starting = async {
        app.database.start(CancellationToken::new()).await?; // each has its own token
        app.server.start(CancellationToken::new()).await
    };
    let started = shutdown.run_until_cancelled(starting).await;
    let started = started.unwrap_or_else(|| Err(StartError::Cancelled.into()));
    if started.is_err() {
        bring_down(app).await;
    }
    started
}

async fn bring_down(app: &App) {
    for state in [&app.server.state, &app.database.state] {
        if let Err(failure) = state.stop_or_abort(sleep(LIMIT)).await {
            eprintln!("{state:?} did not stop cleanly: {failure}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_are_up_or_none_is() {
    let (app, shutdown) = (App::default(), CancellationToken::new());
    bring_up(&app, &shutdown).await.unwrap();
    assert!(app.database.state.is_running() && app.server.state.is_running());
    bring_down(&app).await;
    assert_eq!(app.server.state.state(), Lifecycle::Stopped);
    assert_eq!(app.database.state.state(), Lifecycle::Stopped);

    let mut app = App::default();
    app.server.is_broken = true;
    let error = bring_up(&app, &shutdown).await.unwrap_err();
    assert_eq!(error.to_string(), "broken");
    assert_eq!(app.database.state.state(), Lifecycle::Stopped);

    let app = App::default();
    shutdown.cancel();
    bring_up(&app, &shutdown).await.unwrap_err();
    assert!(!app.database.state.is_running() && !app.server.state.is_running());
}

#[tokio::test(start_paused = true)]
async fn the_server_has_ended_before_the_database_is_told() {
    let mut app = App::default();
    app.server.is_stubborn = true;
    bring_up(&app, &CancellationToken::new()).await.unwrap();
    let look = async {
        let stopped = app.server.state.wait_for(|it| it == Lifecycle::Failed);
        stopped.await;
        assert!(!app.database.state.stop_requested());
        assert_eq!(
            app.server.state.failure().unwrap().kind(),
            FailureKind::Dropped
        );
    };
    tokio::join!(biased; look, bring_down(&app));
    assert_eq!(app.database.state.state(), Lifecycle::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_shared_token_stops_all_and_a_cell_stops_one() {
    let (first, second) = (Service::default(), Service::default());
    let shutdown = CancellationToken::new();
    first.start(shutdown.clone()).await.unwrap();
    second.start(shutdown.clone()).await.unwrap();

    first.state.stop().await.unwrap(); // waits until it has ended
    assert_eq!(first.state.state(), Lifecycle::Stopped);
    assert!(second.state.is_running() && !shutdown.is_cancelled());

    shutdown.cancel(); // does not wait
    assert_eq!(second.state.state(), Lifecycle::Stopping);
    second.state.stopped().await.unwrap(); // waits
}
