//! Starts that keep their state by hand, and the same starts guarded.

use std::io;

use cancel_guarded::CancellationToken;
use tokio::task::yield_now;

async fn connect() -> io::Result<()> {
    yield_now().await;
    Ok(())
}

async fn poll_source(shutdown: CancellationToken) {
    shutdown.cancelled().await;
}

async fn poll_once() -> io::Result<()> {
    yield_now().await;
    Ok(())
}

/// Runs `start`, and cancels it when it waits for the first time.
async fn cancelled_meanwhile<T>(start: impl Future<Output = T>, shutdown: &CancellationToken) -> T {
    tokio::join!(biased; start, async { shutdown.cancel() }).0
}

mod flag_before {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Poller {
        running: AtomicBool,
    }

    impl Poller {
        async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
            if shutdown.is_cancelled() {
                return Err(io::Error::other("cancelled"));
            }
            connect().await?; // a cancellation from here on has no effect
            tokio::spawn(poll_source(shutdown));
            self.running.store(true, Ordering::Release); // up, after `cancel()` has returned
            Ok(())
        }
    }

    #[tokio::test]
    async fn is_up_after_the_cancellation() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        let started = cancelled_meanwhile(poller.start(shutdown.clone()), &shutdown).await;
        assert!(started.is_ok() && poller.running.load(Ordering::Acquire));
    }
}

mod flag_after {
    use cancel_guarded::{StateCell, cancel_guarded};

    use super::*;

    #[derive(Default)]
    struct Poller {
        state: StateCell,
    }

    impl Poller {
        #[cancel_guarded(state = self.state)]
        async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?; // a cancellation during this ends the start here
            tokio::spawn(self.state.serve(poll_source(shutdown)));
            Ok(())
        }
    }

    #[tokio::test]
    async fn is_refused() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        let started = cancelled_meanwhile(poller.start(shutdown.clone()), &shutdown).await;
        assert!(started.is_err() && !poller.state.is_running());
    }

    #[tokio::test]
    async fn the_state_follows_the_token() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        poller.start(shutdown.clone()).await.unwrap();
        assert!(poller.state.is_running());
        shutdown.cancel();
        assert!(!poller.state.is_running());
        poller.state.stopped().await.unwrap();
    }
}

mod loop_before {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Poller {
        running: AtomicBool,
    }

    impl Poller {
        async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?; // a cancellation is noticed after this
            self.running.store(true, Ordering::Release); // also after `cancel()`
            while !shutdown.is_cancelled() {
                poll_once().await?; // after an error, the flag stays `true`
            }
            self.running.store(false, Ordering::Release);
            Ok(())
        }
    }

    #[tokio::test]
    async fn is_reported_as_a_success_though_it_never_ran() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        let ran = cancelled_meanwhile(poller.run(shutdown.clone()), &shutdown).await;
        assert!(ran.is_ok() && !poller.running.load(Ordering::Acquire));
    }
}

mod loop_after {
    use cancel_guarded::{Lifecycle, StateCell, cancel_guarded};

    use super::*;

    #[derive(Default)]
    struct Poller {
        state: StateCell,
    }

    impl Poller {
        #[cancel_guarded(run, state = self.state)]
        async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?; // a cancellation during this ends the run here
            self.state.store(Lifecycle::Running); // up, unless the token was cancelled first
            while !shutdown.is_cancelled() {
                poll_once().await?;
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn is_refused() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        let ran = cancelled_meanwhile(poller.run(shutdown.clone()), &shutdown).await;
        assert!(ran.is_err());
        assert_eq!(poller.state.state(), Lifecycle::Failed);
    }

    #[tokio::test]
    async fn ends_when_it_is_told_to() {
        let (poller, shutdown) = (Poller::default(), CancellationToken::new());
        let cancel = async {
            poller.state.running().await.unwrap();
            shutdown.cancel();
        };
        let (ran, ()) = tokio::join!(poller.run(shutdown.clone()), cancel);
        ran.unwrap();
        assert_eq!(poller.state.state(), Lifecycle::Stopped);
    }
}

mod phase_before {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[repr(u8)]
    enum Phase {
        Closed,
        Opening,
        Migrating,
        Open,
        Closing,
    }

    struct Database {
        phase: AtomicU8,
    }

    impl Database {
        async fn open(&self) -> io::Result<()> {
            self.phase.store(Phase::Opening as u8, Ordering::SeqCst); // two callers at once?
            connect().await?; // after an error, the phase stays `Opening`
            self.phase.store(Phase::Migrating as u8, Ordering::SeqCst);
            yield_now().await;
            self.phase.store(Phase::Open as u8, Ordering::SeqCst); // overwrites a `Closing`
            Ok(())
        }

        fn close(&self) {
            self.phase.store(Phase::Closing as u8, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn is_open_after_it_was_closed() {
        let database = Database {
            phase: AtomicU8::new(Phase::Closed as u8),
        };
        let (opened, ()) = tokio::join!(biased; database.open(), async { database.close() });
        assert!(opened.is_ok());
        assert_eq!(database.phase.load(Ordering::SeqCst), Phase::Open as u8);
    }
}

mod phase_after {
    use cancel_guarded::{State, StateCell, cancel_guarded};

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
    enum Phase {
        #[state(initial, stopped)]
        Closed,
        #[state(starting)]
        Opening,
        Migrating,
        #[state(running)]
        Open,
        #[state(stopping)]
        Closing,
        #[state(failed)]
        Broken,
    }

    #[derive(Default)]
    struct Database {
        phase: StateCell<Phase>,
    }

    impl Database {
        #[cancel_guarded(state = self.phase, restart)]
        async fn open(&self, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?;
            self.phase.store(Phase::Migrating); // not if the start was cancelled meanwhile
            yield_now().await;
            Ok(())
        }

        fn close(&self) {
            self.phase.request_stop();
        }
    }

    #[tokio::test]
    async fn is_refused_once_it_was_closed() {
        let database = Database::default();
        let open = database.open(CancellationToken::new());
        let (opened, ()) = tokio::join!(biased; open, async { database.close() });
        assert!(opened.is_err());
        assert_eq!(database.phase.state(), Phase::Broken);

        assert!(database.open(CancellationToken::new()).await.is_err());
        assert!(database.phase.rearm());
        database.open(CancellationToken::new()).await.unwrap();
        assert_eq!(database.phase.state(), Phase::Open);
        database.close();
        assert_eq!(database.phase.state(), Phase::Closed);
    }
}

mod ready_before {
    use tokio::sync::oneshot;

    use super::*;

    async fn start(shutdown: CancellationToken, ready: oneshot::Sender<()>) -> io::Result<()> {
        connect().await?; // after an error, the receiver does not learn the reason
        tokio::spawn(poll_source(shutdown));
        let _ = ready.send(()); // is sent after a cancellation, too
        Ok(())
    }

    #[tokio::test]
    async fn is_ready_after_the_cancellation() {
        let (shutdown, (ready, is_ready)) = (CancellationToken::new(), oneshot::channel());
        let started = cancelled_meanwhile(start(shutdown.clone(), ready), &shutdown).await;
        assert!(started.is_ok() && is_ready.await.is_ok());
    }
}

mod ready_after {
    use std::sync::Arc;

    use cancel_guarded::{StateCell, cancel_guarded};

    use super::*;

    #[derive(Default)]
    struct Poller {
        state: StateCell,
    }

    impl Poller {
        #[cancel_guarded(state = self.state)]
        async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?;
            tokio::spawn(self.state.serve(poll_source(shutdown)));
            Ok(())
        }
    }

    async fn start_and_wait(shutdown: CancellationToken) -> Result<(), String> {
        let poller = Arc::new(Poller::default());
        let ready = poller.state.running(); // made before the start is spawned
        tokio::spawn(async move { poller.start(shutdown).await });
        ready.await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_waiter_learns_of_both_ends() {
        let shutdown = CancellationToken::new();
        assert_eq!(start_and_wait(shutdown.clone()).await, Ok(()));
        shutdown.cancel();
        let error = start_and_wait(shutdown).await.unwrap_err();
        let expected = "the service is not running: cancelled before it was running";
        assert_eq!(error, expected);
    }
}

mod method {
    use std::sync::Arc;

    use cancel_guarded::{StateCell, cancel_guarded};

    use super::*;

    #[derive(Default)]
    struct Poller {
        state: StateCell,
    }

    impl Poller {
        #[cancel_guarded(state = self.state)]
        async fn start(self: Arc<Self>, shutdown: CancellationToken) -> io::Result<()> {
            connect().await?;
            let poller = Arc::clone(&self); // the task owns it
            tokio::spawn(self.state.serve(async move { poller.poll(shutdown).await }));
            Ok(())
        }

        async fn poll(&self, shutdown: CancellationToken) {
            poll_source(shutdown).await;
        }
    }

    #[tokio::test]
    async fn is_called_in_a_served_task() {
        let poller = Arc::new(Poller::default());
        let started = Arc::clone(&poller).start(CancellationToken::new()).await;
        started.unwrap();
        assert!(poller.state.is_running());
        poller.state.stop().await.unwrap();
    }
}

mod constructor {
    use cancel_guarded::{StartError, StateCell};

    use super::*;

    struct Poller {
        state: StateCell,
    }

    impl Poller {
        /// Returns a poller that runs.
        async fn connect(shutdown: &CancellationToken) -> Result<Self, StartError> {
            let state = StateCell::named("poller");
            let poller = Self { state };
            let attempt = poller.state.begin(shutdown)?;
            attempt
                .start(async |shutdown| {
                    yield_now().await;
                    tokio::spawn(poller.state.serve(poll_source(shutdown)));
                    Ok::<(), StartError>(())
                })
                .await?;
            Ok(poller)
        }
    }

    #[tokio::test]
    async fn is_guarded() {
        let shutdown = CancellationToken::new();
        let poller = Poller::connect(&shutdown).await.unwrap();
        assert!(poller.state.is_running());
        shutdown.cancel();
        assert!(Poller::connect(&shutdown).await.is_err());
    }
}
