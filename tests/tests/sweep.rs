//! `testing::sweep`, on services that keep their promises, and on services with one mistake each.
#![cfg(feature = "testing")]

use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use cancel_guarded::testing::{
    DEFAULT_BUDGET, DEFAULT_MAX_POINTS, DEFAULT_TIMEOUT, OwnerDrop, Report, Sweep, sweep, sweep_fn,
};
use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::on_wake;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;

type Made = (StateCell, LocalBoxFuture<'static, io::Result<()>>);

/// A service whose start has this body, made for each run.
fn service<B, F>(body: B) -> impl FnMut(CancellationToken) -> Made
where
    B: Fn(StateCell, CancellationToken) -> F + Clone + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    move |shutdown| {
        let state = StateCell::new();
        (state.clone(), start(state, shutdown, body.clone()))
    }
}

/// The same service for each run, which can be started again.
fn same_service<B, F>(body: B) -> impl FnMut(CancellationToken) -> Made
where
    B: Fn(StateCell, CancellationToken) -> F + Clone + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let state = StateCell::new();
    move |shutdown| {
        let (cell, body) = (state.clone(), body.clone());
        let start = async move {
            let attempt = cell.begin_again(&shutdown)?;
            attempt.start(async |token| body(cell, token).await).await
        };
        (state.clone(), start.boxed_local())
    }
}

/// A guarded start.
fn start<B, F>(
    state: StateCell,
    shutdown: CancellationToken,
    body: B,
) -> LocalBoxFuture<'static, io::Result<()>>
where
    B: Fn(StateCell, CancellationToken) -> F + 'static,
    F: Future<Output = io::Result<()>> + 'static,
{
    let start = async move {
        let attempt = state.begin(&shutdown)?;
        attempt.start(async |token| body(state, token).await).await
    };
    start.boxed_local()
}

/// A sweep that waits for nothing but turns of the executor.
fn impatient() -> Sweep {
    Sweep::new().timeout(Duration::ZERO)
}

/// The message that a sweep fails with, without its place in this file.
async fn caught(sweep: impl Future<Output = Report>) -> String {
    let message = caught_in_full(sweep).await;
    let (before, rest) = message.split_once(file!()).expect("names its caller");
    let rest = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    format!("{}:{rest}", before.trim_end_matches(" at "))
}

/// The message, with `here` for a line in this file.
fn without_line(message: &str) -> String {
    let (before, rest) = message.split_once(file!()).expect("names a line");
    let (line, rest) = rest.split_once(' ').expect("it goes on");
    assert!(line.starts_with(':'), "{message}");
    format!("{before}here {rest}")
}

async fn caught_in_full(sweep: impl Future<Output = Report>) -> String {
    let panic = match AssertUnwindSafe(sweep).catch_unwind().await {
        Ok(report) => panic!("nothing was found:\n{report}"),
        Err(panic) => panic,
    };
    *panic.downcast::<String>().expect("with a message")
}

/// Waits three times, and serves until its token is cancelled.
async fn waits_three_times(state: StateCell, token: CancellationToken) -> io::Result<()> {
    yield_now().await;
    yield_now().await;
    yield_now().await;
    tokio::spawn(state.serve(async move { token.cancelled().await }));
    Ok(())
}

mod passes {
    use super::*;

    #[tokio::test]
    async fn every_point_is_visited() {
        let runs = AtomicUsize::new(0);
        let mut make = service(waits_three_times);
        let report = sweep(|shutdown| {
            runs.fetch_add(1, Ordering::Relaxed);
            make(shutdown)
        })
        .await;
        assert_eq!(
            report.to_string(),
            "suspension points         3\n\
             cancelled and refused     7\n\
             dropped while starting    3\n\
             cancelled once running    1, ended in Stopped\n\
             stopped once running      1, ended in Stopped\n\
             started again             not tried: a service for each run\n\
             client while running      none\n\
             service dropped           not tried: no service returned\n\
             tasks                     all are parts, none is left"
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
        assert_eq!(report.stops(), 1);
        assert_eq!(runs.load(Ordering::Relaxed), 13, "one is never polled");
    }

    #[tokio::test]
    async fn a_guarded_method() {
        #[derive(Default)]
        struct Service {
            state: StateCell,
        }
        impl Service {
            #[cancel_guarded(state = self.state)]
            async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
                yield_now().await;
                tokio::spawn(
                    self.state
                        .serve(async move { shutdown.cancelled_owned().await }),
                );
                Ok(())
            }
        }
        let report = sweep(|shutdown| {
            let service = Service::default();
            (service.state.clone(), async move {
                service.start(shutdown).await
            })
        })
        .await;
        assert_eq!((report.points(), report.refusals()), (1, 3), "{report}");
    }

    #[tokio::test]
    async fn a_quiet_start() {
        #[cancel_guarded(state = state, on_refused = |_| Ok(()))]
        async fn quiet(state: StateCell, shutdown: CancellationToken) -> io::Result<()> {
            yield_now().await;
            drop(shutdown);
            Ok(())
        }
        let report = sweep(|shutdown| {
            let state = StateCell::new();
            (state.clone(), quiet(state, shutdown))
        })
        .await;
        assert_eq!((report.refusals(), report.successes()), (3, 1), "{report}");
    }

    #[tokio::test]
    async fn a_run() {
        let report = sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                let body = async |token: CancellationToken, up: cancel_guarded::Publisher<_>| {
                    yield_now().await;
                    up.publish();
                    token.cancelled().await;
                    yield_now().await;
                    io::Result::Ok(())
                };
                attempt.run(body).await
            };
            (state, run)
        })
        .await;
        assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
    }

    #[tokio::test]
    async fn a_start_that_waits_for_nothing() {
        let report = sweep(service(|_, _| async { Ok(()) })).await;
        assert_eq!((report.points(), report.refusals()), (0, 1), "{report}");
    }

    #[tokio::test]
    async fn the_same_service_each_time() {
        let report = sweep(same_service(waits_three_times)).await;
        assert_eq!((report.refusals(), report.drops()), (7, 3), "{report}");
        assert_eq!(report.restarts(), Some(10), "one after each:\n{report}");
        let report = Sweep::new()
            .fresh_only()
            .run(same_service(waits_three_times))
            .await;
        assert_eq!(report.restarts(), None, "{report}");
    }

    #[tokio::test]
    async fn leaves_a_cell_that_may_start_again() {
        let mut make = same_service(waits_three_times);
        let (state, _) = make(CancellationToken::new());
        let report = sweep(make).await;
        assert_eq!(report.stops(), 1, "{report}");
        assert!(!state.stop_requested(), "the stop was the sweep's");
        assert!(state.begin_again(&CancellationToken::new()).is_ok());
    }

    #[tokio::test]
    async fn a_driver_that_is_joined_in_what_is_served() {
        let sweep = Sweep::new().detached_tasks(1);
        let report = sweep
            .run(service(|state, token| async move {
                let driver = tokio::spawn(async move { token.cancelled().await });
                yield_now().await;
                tokio::spawn(state.serve(driver));
                Ok(())
            }))
            .await;
        assert_eq!((report.refusals(), report.stops()), (3, 1), "{report}");
    }

    #[tokio::test]
    async fn a_detached_task_that_ends_with_the_token_of_the_caller() {
        let sweep = Sweep::new().detached_tasks(1);
        let report = sweep
            .run(|shutdown: CancellationToken| {
                let outer = shutdown.clone();
                let body = move |_, _| {
                    let outer = outer.clone();
                    async move {
                        tokio::spawn(async move { outer.cancelled().await });
                        Ok(())
                    }
                };
                service(body)(shutdown)
            })
            .await;
        assert_eq!(report.stops(), 1, "{report}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_several_threads() {
        let report = sweep(service(waits_three_times)).await;
        assert_eq!((report.points(), report.successes()), (3, 1), "{report}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn in_a_task_of_its_own() {
        let sweep = Sweep::new()
            .track_count("nothing", || 0)
            .while_running(|_: StateCell| async {});
        let report = tokio::spawn(sweep.run(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let start = async move {
                let attempt = cell.begin(&shutdown)?;
                attempt.start(async |_| io::Result::Ok(())).await
            };
            (state, start)
        }));
        let report = report.await.expect("passes");
        assert_eq!(report.successes(), 2, "{report}");
    }

    #[test]
    fn outside_of_tokio_tasks_are_not_counted() {
        let report = smol::block_on(sweep(service(|_, _| async { Ok(()) })));
        assert!(!report.tasks_checked());
        let table = report.to_string();
        assert!(table.ends_with("not counted: no tokio runtime"), "{table}");
    }

    /// As one whose thread is sometimes faster.
    #[tokio::test]
    async fn a_start_that_does_not_always_wait() {
        let runs = Arc::new(AtomicUsize::new(0));
        let report = sweep(service(move |_, _| {
            let is_first = runs.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                yield_now().await;
                if is_first {
                    yield_now().await;
                }
                Ok(())
            }
        }))
        .await;
        assert_eq!(
            (
                report.points(),
                report.refusals(),
                report.drops(),
                report.successes(),
                report.missed()
            ),
            (2, 3, 1, 1, 3),
            "{report}"
        );
        assert!(report.to_string().contains("points not reached        3\n"));
    }

    /// The sleeps take longer than the timeout, all together. Each of them is progress.
    #[tokio::test(start_paused = true)]
    async fn a_slow_start_that_makes_progress() {
        let report = Sweep::new()
            .timeout(Duration::from_millis(300))
            .run(service(|_, _| async {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(60)).await;
                }
                Ok(())
            }))
            .await;
        assert_eq!(report.points(), 10, "{report}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_drains_slowly() {
        let report = sweep(service(|state, token| async move {
            tokio::spawn(state.serve(async move {
                token.cancelled().await;
                tokio::time::sleep(Duration::from_secs(30)).await;
            }));
            Ok(())
        }))
        .await;
        assert_eq!(report.successes(), 1, "{report}");
    }

    /// The peer spawns a task for each connection, which is none of the service.
    #[tokio::test]
    async fn a_server_that_talks_to_a_peer_on_the_same_runtime() {
        let directory = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let peer = directory.local_addr().expect("has an address");
        let answering = tokio::spawn(async move {
            while let Ok((mut asking, _)) = directory.accept().await {
                tokio::spawn(async move {
                    while asking.read_u8().await.is_ok() {
                        let _ = asking.write_u8(b'!').await;
                    }
                });
            }
        });
        let report = sweep(service(move |state, token| async move {
            let mut peer = TcpStream::connect(peer).await?;
            peer.write_all(b"?").await?;
            peer.read_u8().await?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            tokio::spawn(state.serve(async move {
                let _registered = peer;
                let _ = token.run_until_cancelled(listener.accept()).await;
            }));
            Ok(())
        }))
        .await;
        answering.abort();
        assert!(report.points() >= 2, "it connects and it reads:\n{report}");
    }

    #[tokio::test]
    async fn a_service_that_is_expected_to_fail() {
        let report = Sweep::new()
            .ends_in_failure()
            .run(service(fails_when_told_to_stop))
            .await;
        let report = report.to_string();
        for row in ["cancelled", "stopped"] {
            let row = format!("{:<26}1, ended in Failed\n", format!("{row} once running"));
            assert!(report.contains(&row), "{report}");
        }
        let message = caught(
            Sweep::new()
                .ends_in_failure()
                .run(service(waits_three_times)),
        )
        .await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service has ended in STOPPED, and not in FAILED; \
             remove `Sweep::ends_in_failure`"
        );
    }

    #[tokio::test]
    async fn a_service_that_may_end_by_itself() {
        let report = Sweep::new()
            .ends_by_itself()
            .run(service(ends_by_itself))
            .await;
        assert_eq!(report.successes(), 1, "{report}");
        assert!(
            report.to_string().contains(
                "cancelled once running    1, ended in Stopped\n\
                 of these, ended before    1\n"
            ),
            "{report}"
        );
        let report = Sweep::new()
            .ends_by_itself()
            .run(service(waits_three_times))
            .await;
        assert!(!report.to_string().contains("ended before"), "{report}");
    }

    #[tokio::test]
    async fn a_detached_task_that_is_allowed_for() {
        let detached = |_, token: CancellationToken| async move {
            tokio::spawn(async move { token.cancelled().await });
            Ok(())
        };
        for (allowed, row) in [
            (
                1,
                "1 allowed that is no part, all others are parts, none is left",
            ),
            (
                2,
                "2 allowed that are no parts, all others are parts, none is left",
            ),
        ] {
            let sweep = Sweep::new().detached_tasks(allowed);
            let report = sweep.run(service(detached)).await;
            assert_eq!(report.successes(), 1, "{report}");
            assert!(report.to_string().ends_with(row), "{report}");
        }
    }

    /// Both end when their token is cancelled, a while later.
    #[tokio::test]
    async fn tasks_on_their_way_out_are_waited_for() {
        let _before = tokio::spawn(pending::<()>());
        let report = sweep(service(|state, token| async move {
            tokio::spawn(state.serve(async move {
                token.cancelled().await;
                for _ in 0..20 {
                    yield_now().await;
                }
            }));
            yield_now().await;
            Ok(())
        }))
        .await;
        assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
    }

    #[test]
    fn the_settings_are_the_documented_ones() {
        assert_eq!(
            (DEFAULT_TIMEOUT, DEFAULT_BUDGET, DEFAULT_MAX_POINTS),
            (Duration::from_secs(5), Duration::from_secs(60), 200)
        );
        let sweep = Sweep::new().track_count("locks", || 0);
        assert_eq!(
            format!("{sweep:?}"),
            "Sweep { timeout: 5s, budget: 60s, max_points: 200, detached_tasks: 0, \
             ends_in_failure: false, ends_by_itself: false, fresh_only: false, counted: \
             [\"locks\"], has_client: false, .. }"
        );
    }
}

/// A server whose address a client can ask.
#[derive(Default)]
struct Server {
    state: StateCell,
    addr: OnceLock<SocketAddr>,
}

/// How a server treats its connections.
#[derive(Clone)]
enum Handler {
    Tracked,
    Unserved,
    IgnoresToken,
    /// Tracked, and watches this token.
    WatchesToken(CancellationToken),
    /// Served, so that its failure is one of the server.
    ServedAndFails,
    /// Tracked, and the server accepts no other.
    OnlyOne,
}

impl Server {
    async fn start(&self, shutdown: CancellationToken, handler: Handler) -> io::Result<()> {
        let attempt = self.state.begin(&shutdown)?;
        let state = self.state.clone();
        attempt
            .start(async |token| {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let _ = self.addr.set(listener.local_addr()?);
                tokio::spawn(
                    self.state
                        .serve(accept_loop(listener, state, token, handler)),
                );
                Ok(())
            })
            .await
    }

    fn make(
        handler: Handler,
    ) -> impl FnMut(
        CancellationToken,
    ) -> (
        Arc<Self>,
        StateCell,
        LocalBoxFuture<'static, io::Result<()>>,
    ) {
        move |shutdown| {
            let server = Arc::new(Self::default());
            let (state, started) = (server.state.clone(), Arc::clone(&server));
            let handler = handler.clone();
            let start = async move { started.start(shutdown, handler).await };
            (server, state, start.boxed_local())
        }
    }

    /// A client that has sent half of a request, and has its answer to the one before.
    async fn connect(self: Arc<Self>) -> TcpStream {
        let addr = *self.addr.get().expect("is up");
        let mut client = TcpStream::connect(addr).await.expect("connects");
        client.write_all(b"?").await.expect("writes");
        client.read_u8().await.expect("reads");
        client
    }
}

async fn accept_loop(
    listener: TcpListener,
    state: StateCell,
    token: CancellationToken,
    handler: Handler,
) {
    while let Some(Ok((mut stream, _))) = token.run_until_cancelled(listener.accept()).await {
        let token = match &handler {
            Handler::WatchesToken(other) => other.clone(),
            _ => token.clone(),
        };
        let ignores_token = matches!(handler, Handler::IgnoresToken);
        let talk = async move {
            while let Ok(byte) = stream.read_u8().await {
                let _ = stream.write_u8(byte).await;
            }
        };
        let until_cancelled = async move {
            if ignores_token {
                talk.await;
            } else {
                token.run_until_cancelled(talk).await;
            }
        };
        if matches!(handler, Handler::Unserved) {
            tokio::spawn(until_cancelled);
        } else if matches!(handler, Handler::ServedAndFails) {
            tokio::spawn(state.serve(async move {
                until_cancelled.await;
                Err::<(), _>(io::Error::other("client gone"))
            }));
        } else {
            tokio::spawn(state.track(until_cancelled));
        }
        if matches!(handler, Handler::OnlyOne) {
            break;
        }
    }
}

mod client {
    use super::*;

    #[tokio::test]
    async fn plays_before_the_last_cancellation() {
        let report = Sweep::new()
            .while_running(Server::connect)
            .run(Server::make(Handler::Tracked))
            .await;
        assert_eq!(report.successes(), 3, "{report}");
        assert!(
            report
                .to_string()
                .contains("client while running      played")
        );
    }

    #[tokio::test]
    async fn gets_the_cell_where_there_is_no_service() {
        let report = Sweep::new()
            .while_running(|state: StateCell| async move { assert!(state.is_running()) })
            .run(service(waits_three_times))
            .await;
        assert_eq!(report.successes(), 2, "{report}");
    }

    #[tokio::test]
    async fn finds_a_connection_that_is_not_tracked() {
        let sweep = impatient().timeout(Duration::from_millis(50));
        let make = Server::make(Handler::Unserved);
        let message = caught(sweep.while_running(Server::connect).run(make)).await;
        assert_eq!(
            message,
            "sweep: cancelled once running, after a client: 1 task that the service has spawned for \
             the client is neither served nor tracked; spawn `STATE.track(..)`; if a part joins it, \
             or a library spawns it, as axum does for each connection, allow for it by `Sweep::detached_tasks`"
        );
    }

    #[tokio::test]
    async fn finds_a_connection_that_waits_for_its_client() {
        let sweep = impatient().timeout(Duration::from_millis(50));
        let make = Server::make(Handler::IgnoresToken);
        let message = caught(sweep.while_running(Server::connect).run(make)).await;
        assert_eq!(
            message,
            "sweep: cancelled once running, after a client: the service was told to stop while its \
             client was there, and no part of it has ended for 50ms (0 suspension points so far, state \
             `Stopping`, left: 1 tracked future); let what is left watch the token; if it waits for \
             the client though it was told to stop, as for the end of a request, only `stop_or_abort` \
             drops it: let the client end it"
        );
    }

    /// Its accept loop watches its own token. Its connections watch the one that guards its start.
    #[tokio::test]
    async fn finds_a_connection_that_watches_another_token() {
        let make = |shutdown: CancellationToken| {
            let server = Arc::new(Server::default());
            let (state, started) = (server.state.clone(), Arc::clone(&server));
            let start = async move {
                let handler = Handler::WatchesToken(shutdown.clone());
                started.start(shutdown, handler).await
            };
            (server, state, start.boxed_local())
        };
        let sweep = impatient().timeout(Duration::from_millis(50));
        let message = caught(sweep.while_running(Server::connect).run(make)).await;
        assert!(
            message.starts_with(
                "sweep: stopped once running: the service was told to stop by its cell"
            ) && message.contains("left: 1 tracked future")
                && message.contains("it watches another token than its own"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn plays_before_the_stop_too() {
        let plays = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&plays);
        let report = Sweep::new()
            .while_running(move |_: StateCell| {
                counted.fetch_add(1, Ordering::Relaxed);
                async {}
            })
            .run(service(waits_three_times))
            .await;
        assert_eq!(report.stops(), 1, "{report}");
        assert_eq!(plays.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn finds_a_client_that_fails_and_is_served() {
        let stays = Sweep::new().while_running(Server::connect);
        let leaves = |server| async { drop(Server::connect(server).await) };
        let leaves = Sweep::new().while_running(leaves);
        for message in [
            caught(stays.run(Server::make(Handler::ServedAndFails))).await,
            caught(leaves.run(Server::make(Handler::ServedAndFails))).await,
        ] {
            assert!(
                message.contains("the service fails ")
                    && message.contains(": client gone; ")
                    && message.contains("if it is the failure of one client, `track` that client"),
                "{message}"
            );
        }
    }

    #[tokio::test]
    async fn finds_an_accept_loop_that_ends_with_its_client() {
        let sweep = Sweep::new().while_running(Server::connect);
        let message = caught(sweep.run(Server::make(Handler::OnlyOne))).await;
        assert!(
            message.starts_with(
                "sweep: cancelled once running, after a client: the service has ended by itself, \
                 before it was cancelled; "
            ),
            "{message}"
        );
    }

    #[tokio::test]
    async fn that_panics_because_the_service_fails_is_not_to_blame() {
        let asked = Arc::new(tokio::sync::Notify::new());
        let ask = Arc::clone(&asked);
        let fails_when_asked = move |state: StateCell, token: CancellationToken| {
            let asked = Arc::clone(&asked);
            async move {
                tokio::spawn(state.serve(async move {
                    let asked = token.run_until_cancelled(asked.notified()).await;
                    asked.map_or(Ok(()), |()| Err(io::Error::other("disk full")))
                }));
                Ok(())
            }
        };
        let client = |state: StateCell| {
            ask.notify_one();
            async move {
                state.wait_for(|state| state == Lifecycle::Failed).await;
                panic!("no answer")
            }
        };
        let sweep = Sweep::new().while_running(client);
        let message = caught(sweep.run(service(fails_when_asked))).await;
        assert!(
            message.contains(
                "after a client: the service fails by itself once it is running: disk full"
            ),
            "{message}"
        );
    }

    #[tokio::test]
    async fn that_never_ends_is_given_up() {
        let client = |_: StateCell| pending::<()>();
        let sweep = impatient().while_running(client);
        let message = caught(sweep.run(service(waits_three_times))).await;
        assert!(
            message.starts_with(
                "sweep: cancelled once running, after a client: the client has not ended"
            ),
            "{message}"
        );
    }

    #[tokio::test]
    async fn that_panics_is_told() {
        let client = |_: StateCell| async { panic!("no answer") };
        let sweep = impatient().while_running(client);
        let message = caught(sweep.run(service(waits_three_times))).await;
        assert!(
            message.ends_with("the client of `while_running` panicked: no answer"),
            "{message}"
        );
    }
}

mod owner {
    use super::*;

    #[tokio::test]
    async fn that_is_dropped_leaves_the_service_running() {
        let report = sweep(Server::make(Handler::Tracked)).await;
        assert_eq!(report.owner_drop(), Some(OwnerDrop::RunsOn), "{report}");
    }

    /// Its drop stops the service.
    #[derive(Clone)]
    struct Service {
        _stop: Arc<StopOnDrop>,
    }

    struct StopOnDrop(StateCell);

    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.request_stop();
        }
    }

    #[tokio::test]
    async fn of_a_run_is_held_by_it() {
        let report = sweep(|shutdown: CancellationToken| {
            let state: StateCell = StateCell::new();
            let (cell, service) = (state.clone(), Arc::new(()));
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                let body = async |token: CancellationToken, up: cancel_guarded::Publisher<_>| {
                    up.publish();
                    token.cancelled().await;
                    io::Result::Ok(())
                };
                attempt.run(body).await
            };
            (service, state, run)
        })
        .await;
        assert_eq!(report.owner_drop(), None, "{report}");
        assert!(report.to_string().contains("not tried: the run holds it"));
    }

    #[tokio::test]
    async fn that_stops_the_service_on_drop_is_told() {
        let mut make = service(waits_three_times);
        let report = sweep(move |shutdown| {
            let (state, start) = make(shutdown);
            let service = Service {
                _stop: Arc::new(StopOnDrop(state.clone())),
            };
            (service, state, start)
        })
        .await;
        assert_eq!(report.owner_drop(), Some(OwnerDrop::Ends), "{report}");
    }

    /// What it serves ends in success when the service is dropped, which is when its start returns.
    #[tokio::test]
    async fn that_is_not_returned_and_ends_the_service_is_found() {
        struct Database {
            state: StateCell,
            queries: tokio::sync::watch::Sender<()>,
        }
        impl Database {
            fn new() -> Self {
                Self {
                    state: StateCell::new(),
                    queries: tokio::sync::watch::Sender::new(()),
                }
            }

            #[cancel_guarded(state = self.state)]
            async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
                let mut queries = self.queries.subscribe();
                tokio::spawn(self.state.serve(async move {
                    while let Some(Ok(())) = shutdown.run_until_cancelled(queries.changed()).await {
                    }
                }));
                Ok(())
            }
        }
        let message = caught(sweep(|shutdown| {
            let database = Database::new();
            (database.state.clone(), async move {
                database.start(shutdown).await
            })
        }))
        .await;
        assert!(
            message.contains("if it ends when the service is dropped, return the service in front"),
            "{message}"
        );
        let report = sweep(|shutdown| {
            let database = Arc::new(Database::new());
            let state = database.state.clone();
            (Arc::clone(&database), state, async move {
                database.start(shutdown).await
            })
        })
        .await;
        assert_eq!(report.owner_drop(), Some(OwnerDrop::Ends), "{report}");
    }

    /// Its drop ends what is served, which is a failure.
    #[tokio::test]
    async fn that_fails_the_service_on_drop_is_found() {
        let make = |shutdown| {
            let state: StateCell = StateCell::new();
            let served = Arc::new(Mutex::new(None));
            let kept = Arc::clone(&served);
            let start = start(state.clone(), shutdown, move |state, token| {
                let served = Arc::clone(&kept);
                async move {
                    let task = tokio::spawn(state.serve(async move { token.cancelled().await }));
                    *served.lock().expect("no panic") = Some(AbortOnDrop(task));
                    Ok(())
                }
            });
            (served, state, start)
        };
        let message = caught(impatient().run(make)).await;
        assert_eq!(
            without_line(&message),
            "sweep: service dropped while running: the service fails by itself once it is running: \
             the future served at here was dropped before it had ended: its task was aborted, or the \
             runtime was shut down; mend it, or say `Sweep::ends_in_failure`; if the drop of the service \
             aborts its tasks, let its `Drop` call `request_stop()` before; if it is the failure of \
             one client, `track` that client, and do not `serve` it"
        );
    }

    struct AbortOnDrop(tokio::task::JoinHandle<Option<()>>);

    impl Drop for AbortOnDrop {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
}

async fn fails_when_told_to_stop(state: StateCell, token: CancellationToken) -> io::Result<()> {
    tokio::spawn(state.serve(async move {
        token.cancelled().await;
        Err::<(), _>(io::Error::other("flush failed: disk full"))
    }));
    yield_now().await;
    Ok(())
}

async fn ends_by_itself(state: StateCell, _: CancellationToken) -> io::Result<()> {
    tokio::spawn(state.serve(async {}));
    Ok(())
}

/// Each service has one mistake, and the message names it.
mod finds {
    use super::*;

    #[tokio::test]
    async fn a_task_that_is_not_served() {
        let message = caught(impatient().run(service(|_, token| async move {
            tokio::spawn(async move { token.cancelled().await });
            yield_now().await;
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: 1 task that the start has spawned is neither served nor tracked \
             (it has 0 parts); spawn `STATE.serve(..)` or `STATE.track(..)`; if a part joins it, or \
             another cell serves it, or a library spawns it, as axum does for each connection, allow for it by `Sweep::detached_tasks`"
        );
    }

    /// Two sweeps in one test can be told apart.
    #[tokio::test]
    async fn with_the_line_of_the_caller_and_the_name_of_the_cell() {
        let fails = |shutdown| {
            let state: StateCell = StateCell::named("mailer");
            let start = start(state.clone(), shutdown, |_, _| async {
                Err(io::Error::other("no port"))
            });
            (state, start)
        };
        let fails_unnamed = || service(|_, _| async { Err(io::Error::other("no port")) });
        let fails_fn = |_: CancellationToken| async { Err::<(), _>("no port") };
        let place = |line: u32| format!("at {}:{line}:", file!());
        let line = line!();
        let messages = [
            caught_in_full(sweep(fails)).await,
            caught_in_full(Sweep::new().run(fails)).await,
            caught_in_full(sweep(fails_unnamed())).await,
            caught_in_full(sweep_fn(fails_fn)).await,
            caught_in_full(Sweep::new().run_fn(fails_fn)).await,
        ];
        for (message, line) in messages.iter().zip(line + 2..) {
            assert!(message.contains(&place(line)), "{message}");
            assert!(
                message.contains(": not cancelled: the start fails"),
                "{message}"
            );
        }
        assert!(
            messages[0].starts_with("sweep of `mailer` at "),
            "{}",
            messages[0]
        );
        assert!(messages[2].starts_with("sweep at "), "{}", messages[2]);
    }

    #[tokio::test]
    async fn two_tasks_that_are_not_served_beside_one_that_is() {
        let message = caught(impatient().run(service(|state, token| async move {
            tokio::spawn(pending::<()>());
            tokio::spawn(state.serve(async move { token.cancelled().await }));
            tokio::spawn(pending::<()>());
            Ok(())
        })))
        .await;
        assert!(
            message.contains(
                "2 tasks that the start has spawned are neither served nor tracked (it has 1 part)"
            ),
            "{message}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_is_not_served_on_several_threads() {
        let message = caught(impatient().run(service(|_, token| async move {
            tokio::spawn(async move { token.cancelled().await });
            yield_now().await;
            Ok(())
        })))
        .await;
        assert!(
            message.contains("1 task that the start has spawned"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_served_future_that_ignores_its_token() {
        let message = caught(impatient().run(service(|state, _| async move {
            tokio::spawn(state.serve(pending::<()>()));
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service was told to stop, and no part of it has ended \
             for 0ns (0 suspension points so far, state `Stopping`, left: 1 served future); let what \
             is left watch the token, and call no `stop().await` in it; if it is slow, set \
             `Sweep::timeout`"
        );
    }

    /// It ends when that token is cancelled, because that guards its start.
    #[tokio::test]
    async fn a_service_that_watches_another_token_than_its_own() {
        struct Service {
            state: StateCell,
            root: CancellationToken,
        }
        impl Service {
            #[cancel_guarded(state = self.state, token = self.root)]
            async fn start(&self) -> io::Result<()> {
                let root = self.root.clone();
                tokio::spawn(self.state.serve(async move { root.cancelled().await }));
                Ok(())
            }
        }
        let message = caught(impatient().run(|root| {
            let state = StateCell::new();
            let service = Service {
                state: state.clone(),
                root,
            };
            (state, async move { service.start().await })
        }))
        .await;
        assert_eq!(
            message,
            "sweep: stopped once running: the service was told to stop by its cell, and no part of it \
             has ended for 0ns (0 suspension points so far, state `Stopping`, left: 1 served future), \
             though it ends when its token is cancelled: it watches another token than its own; let \
             what is left watch the token that the body sees, or `STATE.token()`"
        );
    }

    /// Its timer wakes it for ever, so that it always does something.
    #[tokio::test(start_paused = true)]
    async fn a_run_that_polls_and_ignores_its_token() {
        let message = caught(impatient().run(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                let body = async |_, up: cancel_guarded::Publisher<_>| {
                    yield_now().await;
                    up.publish();
                    loop {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    #[allow(unreachable_code)]
                    io::Result::Ok(())
                };
                attempt.run(body).await
            };
            (state, run)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service was told to stop, and no part of it has ended \
             for 0ns (1 suspension point so far, state `Stopping`, left: the body); let what is left \
             watch the token, and call no `stop().await` in it; if it is slow, set `Sweep::timeout`"
        );
    }

    #[tokio::test]
    async fn a_tracked_future_that_ignores_its_token() {
        let message = caught(impatient().run(service(|state, token| async move {
            tokio::spawn(state.serve(async move { token.cancelled().await }));
            tokio::spawn(state.track(pending::<()>()));
            Ok(())
        })))
        .await;
        assert!(
            message.contains("no part of it has ended")
                && message.contains("left: 1 tracked future"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_thread_that_keeps_its_guard() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let message = caught(impatient().run(service(move |state, _| {
            let kept = Arc::clone(&kept);
            async move {
                kept.lock().expect("no panic").push(state.serve_guard());
                Ok(())
            }
        })))
        .await;
        assert!(
            message.contains("no part of it has ended") && message.contains("left: 1 guard"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_part_that_awaits_stop() {
        let message = caught(impatient().run(service(|state, token| async move {
            let cell = state.clone();
            tokio::spawn(state.serve(async move {
                token.cancelled().await;
                let _ = cell.stop().await;
            }));
            Ok(())
        })))
        .await;
        assert!(
            message.contains("no part of it has ended")
                && message.contains("no `stop().await` in it"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_failure_on_the_way_down() {
        let message = caught(sweep(service(fails_when_told_to_stop))).await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service fails when it is told to stop: flush failed: \
             disk full; let it end in success, or say `Sweep::ends_in_failure`; if it fails by itself a \
             while after its start, mend that; if it is the failure of one client, `track` that \
             client, and do not `serve` it"
        );
    }

    /// Its heartbeat fails a while after the start, when the sweep has cancelled it.
    #[tokio::test]
    async fn a_failure_some_time_after_the_start() {
        let message = caught(sweep(service(|state, _| async move {
            let a_while = state.wait_for(|state| state == Lifecycle::Stopping);
            tokio::spawn(state.serve(async move {
                a_while.await;
                Err::<(), _>(io::Error::other("no heartbeat"))
            }));
            Ok(())
        })))
        .await;
        assert!(
            message.contains("no heartbeat; ")
                && message.contains("if it fails by itself a while after its start, mend that"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_panic_on_the_way_down() {
        let message = caught(sweep(service(|state, token| async move {
            tokio::spawn(state.serve(async move {
                token.cancelled().await;
                panic!("boom");
            }));
            Ok(())
        })))
        .await;
        assert!(
            message.contains("the service fails when it is told to stop: panicked: boom"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_service_that_fails_once_it_is_up() {
        let message = caught(sweep(service(|state, _| async move {
            tokio::spawn(state.serve(async { Err::<(), _>(io::Error::other("address in use")) }));
            yield_now().await;
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service fails by itself once it is running: address \
             in use; mend it, or say `Sweep::ends_in_failure`; if the drop of the service aborts its \
             tasks, let its `Drop` call `request_stop()` before; if it is the failure of one client, \
             `track` that client, and do not `serve` it"
        );
    }

    #[tokio::test]
    async fn a_service_that_panics_once_it_is_up() {
        let message = caught(sweep(service(|state, _| async move {
            tokio::spawn(state.serve(async { panic!("boom") }));
            yield_now().await;
            Ok(())
        })))
        .await;
        assert!(
            message.contains("the service fails by itself once it is running: panicked: boom"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_service_that_ends_by_itself() {
        let message = caught(sweep(service(ends_by_itself))).await;
        assert_eq!(
            message,
            "sweep: cancelled once running: the service has ended by itself, before it was cancelled; \
             let what it serves run until the token is cancelled (is a `loop` missing?), or say \
             `Sweep::ends_by_itself`; if it ends when the service is dropped, return the service in \
             front of the cell"
        );
    }

    #[tokio::test]
    async fn a_run_that_ends_by_itself() {
        let message = caught(sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                let body = async |_, up: cancel_guarded::Publisher<_>| {
                    up.publish();
                    yield_now().await;
                    io::Result::Ok(())
                };
                attempt.run(body).await
            };
            (state, run)
        }))
        .await;
        assert!(
            message.contains("the service has ended by itself, before it was cancelled"),
            "{message}"
        );
    }

    /// It was given up after ten minutes, when each point had a run of its own.
    #[tokio::test(start_paused = true)]
    async fn a_worker_that_never_publishes() {
        let message = caught(sweep(service(|_, token| async move {
            while !token.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start has waited more than 200 times and is not up; if it \
             runs until it is cancelled, write `run`; if it is a long start, set `Sweep::max_points`"
        );
    }

    #[tokio::test]
    async fn a_start_that_waits_for_its_token() {
        let message = caught(impatient().run(service(|_, token| async move {
            token.cancelled().await;
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start has done nothing for 0ns and is not up (1 suspension \
             point so far, state `Starting`, left: the body); if it runs until it is cancelled, \
             write `run`; if it waits for what it serves, let it not: what is served runs only once \
             the start has returned, also if it is spawned (a task that it needs before is joined in \
             what is served); if it is slow, set `Sweep::timeout`"
        );
    }

    #[tokio::test]
    async fn a_start_that_awaits_what_it_serves() {
        let message = caught(impatient().run(service(|state, _| async move {
            state.serve(async {}).await;
            Ok(())
        })))
        .await;
        assert!(
            message.contains("left: the body, 1 served future")
                && message.contains("if it waits for what it serves, let it not"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_start_that_waits_for_what_it_has_spawned() {
        let message = caught(impatient().run(service(|state, _| async move {
            let (ready, is_ready) = tokio::sync::oneshot::channel();
            let tells = async move {
                let _ = ready.send(());
            };
            let _serving = tokio::spawn(state.serve(tells));
            is_ready.await.map_err(io::Error::other)
        })))
        .await;
        assert!(
            message.contains("left: the body, 1 served future")
                && message.contains("only once the start has returned, also if it is spawned"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_served_future_that_is_not_spawned() {
        let message = caught(sweep(service(|state, _| async move {
            drop(state.serve(pending::<()>()));
            std::future::ready(()).await;
            Ok(())
        })))
        .await;
        assert_eq!(
            without_line(&message),
            "sweep: not cancelled: the start fails though nothing cancels it: start refused: the \
             future served at here was dropped before it had run: it was not spawned, or its task was \
             aborted, or the runtime was shut down; let the closure of `sweep` return a service that can start"
        );
    }

    #[tokio::test]
    async fn a_start_that_fails_by_itself() {
        let message = caught(sweep(service(|_, _| async {
            Err(io::Error::other("no port"))
        })))
        .await;
        assert!(
            message.contains("the start fails though nothing cancels it: no port;"),
            "{message}"
        );
    }

    /// The first start is up and ends, and its port stays in use.
    #[tokio::test]
    async fn a_start_that_leaves_its_port_to_no_other() {
        let is_bound = Arc::new(AtomicBool::new(false));
        let message = caught(sweep(service(move |state, token| {
            let is_bound = Arc::clone(&is_bound);
            async move {
                if is_bound.swap(true, Ordering::Relaxed) {
                    return Err(io::Error::other("address already in use"));
                }
                yield_now().await;
                tokio::spawn(state.serve(async move { token.cancelled().await }));
                Ok(())
            }
        })))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start fails: address already in use; a start before it has left \
             something that keeps the next one from starting; let a `Drop` take it back, because a \
             start that is cancelled is dropped where it waits"
        );
    }

    #[tokio::test]
    async fn a_start_that_panics() {
        let message = caught(sweep(service(|_, _| async { panic!("no port") }))).await;
        assert!(
            message.starts_with("sweep: not cancelled: the start panicked: no port"),
            "{message}"
        );
    }

    /// A value of the body that cannot be dropped before the body is over.
    #[tokio::test]
    async fn a_body_that_panics_when_it_is_dropped() {
        struct Commit(bool);
        impl Drop for Commit {
            fn drop(&mut self) {
                assert!(self.0, "not committed");
            }
        }
        let message = caught(sweep(service(|_, _| async {
            let mut commit = Commit(false);
            yield_now().await;
            commit.0 = true;
            Ok(())
        })))
        .await;
        assert!(
            message.starts_with(
                "sweep: cancelled at suspension point 1, while it waits: the start panicked: not \
                 committed"
            ),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_start_that_is_dead_after_a_refusal() {
        let locked = Arc::new(AtomicBool::new(false));
        let message = caught(sweep(same_service(move |state, token| {
            let locked = Arc::clone(&locked);
            async move {
                if locked.swap(true, Ordering::Relaxed) {
                    return Err(io::Error::other("locked"));
                }
                yield_now().await;
                locked.store(false, Ordering::Relaxed);
                tokio::spawn(state.serve(async move { token.cancelled().await }));
                Ok(())
            }
        })))
        .await;
        assert_eq!(
            message,
            "sweep: started again, after it was cancelled at suspension point 1, while it waits: the \
             start fails: locked; a start before it has left something that keeps the next one from \
             starting; let a `Drop` take it back, because a start that is cancelled is dropped where it \
             waits"
        );
    }

    #[tokio::test]
    async fn a_start_without_restart_on_the_same_cell() {
        let state = StateCell::new();
        let message = caught(sweep(move |shutdown| {
            (
                state.clone(),
                start(state.clone(), shutdown, waits_three_times),
            )
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled before the first poll: the start does not begin again on the same \
             cell: start refused: cannot start from state Stopped: it was started before and has \
             not ended, or it has ended and the start has no `restart`; write `restart`, or make a new \
             service for each run"
        );
    }

    #[tokio::test]
    async fn a_start_without_a_guard() {
        let message = caught(sweep(|_| {
            let state: StateCell = StateCell::new();
            (state, async { io::Result::Ok(()) })
        }))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start has returned, and the cell still reads `Created`; guard \
             the start with `state = ..`, and return the cell of this very service"
        );
    }

    #[tokio::test]
    async fn a_start_on_another_cell() {
        let message = caught(sweep(|shutdown| {
            let shown: StateCell = StateCell::new();
            (shown, start(StateCell::new(), shutdown, waits_three_times))
        }))
        .await;
        assert!(
            message.contains("the cell still reads `Created`"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_start_under_another_token() {
        let message = caught(sweep(|_| {
            let state: StateCell = StateCell::new();
            let start = start(state.clone(), CancellationToken::new(), waits_three_times);
            (state, start)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled once running: `cancel()` has returned, and the cell reads RUNNING; \
             guard the start by the token that the closure of `sweep` gets"
        );
    }

    #[tokio::test]
    async fn work_before_the_guard() {
        let message = caught(sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let guarded = start(state.clone(), shutdown, waits_three_times);
            let start = async move {
                yield_now().await;
                guarded.await
            };
            (state, start)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled before the first poll: the start waits under a token that is already \
             cancelled; pass the guarded start as it is, with nothing awaited before it"
        );
    }

    #[tokio::test]
    async fn a_start_that_begins_before_its_first_poll() {
        let message = caught(sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let attempt = state.begin(&shutdown).expect("begins");
            (state, attempt.start(async |_| io::Result::Ok(())))
        }))
        .await;
        assert_eq!(
            message,
            "sweep: dropped before the first poll: the start has moved the cell to `Starting` before \
             its first poll; put all of it into the future, as in `async move { \
             server.start(shutdown).await }`"
        );
    }

    #[tokio::test]
    async fn a_task_that_is_spawned_before_the_guard() {
        let mut make = service(waits_three_times);
        let message = caught(impatient().run(|shutdown| {
            tokio::spawn(pending::<()>());
            make(shutdown)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: dropped before the first poll: tasks: 1 now, 0 before; something that the start \
             has begun outlives it; serve it, or let it end when it is dropped or its token is \
             cancelled"
        );
    }

    #[tokio::test]
    async fn a_detached_task_that_outlives_the_service() {
        let sweep = impatient().detached_tasks(1);
        let message = caught(sweep.run(service(|_, _| async {
            tokio::spawn(pending::<()>());
            Ok(())
        })))
        .await;
        assert!(
            message.starts_with("sweep: cancelled once running: tasks: 1 now, 0 before"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_shielded_step_that_never_ends() {
        #[cancel_guarded(start, state = state)]
        async fn start(state: StateCell, shutdown: CancellationToken) -> io::Result<()> {
            let mut is_first = !shutdown.is_cancelled();
            #[shielded]
            poll_fn(|cx| {
                if shutdown.is_cancelled() {
                    return Poll::Pending;
                }
                if std::mem::take(&mut is_first) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            Ok(())
        }
        let message = caught(impatient().run(|shutdown| {
            let state: StateCell = StateCell::new();
            (state.clone(), start(state, shutdown))
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled at suspension point 1, while it waits: the start has not returned 0ns \
             after it was cancelled (1 suspension point so far, state `Starting`, left: the body); \
             end what it does in a `#[shielded]` step, or around the guarded start"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_shielded_step_that_polls_for_ever() {
        #[cancel_guarded(start, state = state)]
        async fn start(state: StateCell, shutdown: CancellationToken) -> io::Result<()> {
            let is_up = || !shutdown.is_cancelled();
            #[shielded]
            async {
                yield_now().await;
                while !is_up() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            .await;
            Ok(())
        }
        let message = caught(impatient().run(|shutdown| {
            let state: StateCell = StateCell::new();
            (state.clone(), start(state, shutdown))
        }))
        .await;
        assert!(
            message
                .contains("has not returned 0ns after it was cancelled (1 suspension point so far"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_run_that_fails_on_every_shutdown() {
        let message = caught(sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                let body = async |token: CancellationToken, up: cancel_guarded::Publisher<_>| {
                    up.publish();
                    token.cancelled().await;
                    io::Result::<()>::Err(io::Error::other("shut down"))
                };
                attempt.run(body).await
            };
            (state, run)
        }))
        .await;
        assert!(
            message.contains("the service fails when it is told to stop: shut down"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_run_that_forgets_to_publish() {
        let message = caught(sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let cell = state.clone();
            let run = async move {
                let attempt = cell.begin(&shutdown)?;
                attempt
                    .run(async |_, publisher| {
                        drop(publisher);
                        io::Result::Ok(())
                    })
                    .await
            };
            (state, run)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start has returned success and has never published (the cell \
             reads `Stopped`); publish a `run` by `store` or by its publisher, or return an error"
        );
    }

    /// As a thread of `spawn_blocking` does that goes on when the start is dropped: the count rises
    /// when the run is over, and the next ones have begun.
    #[tokio::test]
    async fn the_run_that_leaves_something_which_is_seen_later() {
        #[derive(Default)]
        struct Locks {
            looks: usize,
            /// When each of them is seen, as the number of that look.
            taken: Vec<usize>,
        }
        struct Locking(Arc<Mutex<Locks>>);
        impl Drop for Locking {
            fn drop(&mut self) {
                let mut locks = self.0.lock().expect("no panic");
                let later = locks.looks + 20;
                locks.taken.push(later);
            }
        }
        let locks = Arc::new(Mutex::new(Locks::default()));
        let counted = Arc::clone(&locks);
        let sweep = impatient().track_count("locks", move || {
            let mut locks = counted.lock().expect("no panic");
            locks.looks += 1;
            let seen = locks.taken.iter().filter(|at| **at <= locks.looks);
            seen.count()
        });
        let message = caught(sweep.run(service(move |_, _| {
            let locks = Arc::clone(&locks);
            async move {
                yield_now().await;
                let locking = Locking(locks);
                yield_now().await;
                std::mem::forget(locking);
                Ok(())
            }
        })))
        .await;
        assert!(
            message.starts_with(
                "sweep: cancelled at suspension point 2, while it waits: locks: 3 now, 0 before"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_thread_that_holds_the_cell() {
        let held = Arc::new(Mutex::new(Vec::new()));
        let make = service(move |state, _| {
            let held = Arc::clone(&held);
            async move {
                held.lock().expect("no panic").push(state);
                Ok(())
            }
        });
        let message = smol::block_on(caught(impatient().run(make)));
        assert_eq!(
            message,
            "sweep: cancelled once running: something that the start has spawned still holds the \
             cell; spawn `STATE.serve(..)` or `STATE.track(..)`, or let it end with the token of the \
             body"
        );
    }

    #[tokio::test]
    async fn a_sweep_that_takes_too_long() {
        let sweep = Sweep::new().budget(Duration::ZERO);
        let message = caught(sweep.run(service(waits_three_times))).await;
        assert_eq!(
            message,
            "sweep: not cancelled: the sweep has used up its 0ns (1 suspension point so far, state \
             `Starting`, left: the body); shorten what the start waits for, or set `Sweep::budget`"
        );
    }
}

/// Starts that are guarded by hand, or by another token, and do not keep what the guard promises.
mod finds_by_hand {
    use super::*;

    /// Calls `f` inside of the call that cancels `token`. Returns whether that was before.
    fn on_cancel(token: &CancellationToken, f: impl Fn() + Send + Sync + 'static) -> bool {
        let mut cancelled = Box::pin(token.clone().cancelled_owned());
        let is_cancelled = cancelled
            .poll_unpin(&mut Context::from_waker(&on_wake(f)))
            .is_ready();
        std::mem::forget(cancelled);
        is_cancelled
    }

    /// A start that `wrap` makes of the token of the sweep, of a cell, and of a start under a token of
    /// its own. Under a token that is already cancelled, it is refused as it should be.
    fn wrapped<W, F>(wrap: W) -> impl FnMut(CancellationToken) -> Made
    where
        W: Fn(CancellationToken, StateCell, Guarded) -> F + Clone + 'static,
        F: Future<Output = io::Result<()>> + 'static,
    {
        move |shutdown| {
            let (state, own) = (StateCell::new(), CancellationToken::new());
            let (cell, wrap) = (state.clone(), wrap.clone());
            let guarded = Guarded {
                start: start(state.clone(), own.clone(), waits_three_times),
                own,
            };
            let start = async move {
                if shutdown.is_cancelled() {
                    drop(cell.begin(&shutdown)?);
                }
                wrap(shutdown, cell, guarded).await
            };
            (state, start.boxed_local())
        }
    }

    struct Guarded {
        start: LocalBoxFuture<'static, io::Result<()>>,
        own: CancellationToken,
    }

    #[tokio::test]
    async fn a_publication_after_the_cancellation() {
        let message = caught(sweep(wrapped(|shutdown, _, guarded| async move {
            guarded.start.await?;
            let own = guarded.own.clone();
            if on_cancel(&shutdown, move || own.cancel()) {
                guarded.own.cancel();
            }
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled at suspension point 1, while it waits: the start has published after \
             `cancel()` had returned; guard it by the token that the closure of `sweep` gets"
        );
    }

    #[tokio::test]
    async fn another_cause_than_the_cancellation() {
        let sweep = Sweep::new().ends_in_failure();
        let message = caught(sweep.run(wrapped(|shutdown, cell, guarded| async move {
            on_cancel(&shutdown, move || {
                cell.fail("was told to stop");
            });
            guarded.start.await
        })))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled at suspension point 1, while it waits: the cause is Error(\"was told to \
             stop\"), and not `Cancelled`; guard the start by the token that the closure of `sweep` \
             gets, and call `fail` only for a failure"
        );
    }

    #[tokio::test]
    async fn a_success_without_a_publication() {
        let message = caught(sweep(wrapped(|shutdown, _, guarded| async move {
            let own = guarded.own.clone();
            on_cancel(&shutdown, move || own.cancel());
            let _ = guarded.start.await;
            Ok(())
        })))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled at suspension point 1, while it waits: the start has returned success \
             and has not published; return what the guarded start returns"
        );
    }

    #[tokio::test]
    async fn a_failure_after_the_publication() {
        let message = caught(sweep(wrapped(|_, _, guarded| async move {
            guarded.start.await?;
            Err(io::Error::other("no port"))
        })))
        .await;
        assert_eq!(
            message,
            "sweep: not cancelled: the start has published, and returned a failure: no port; return \
             what the guarded start returns"
        );
    }

    #[tokio::test]
    async fn a_refusal_that_the_cell_does_not_show() {
        let message = caught(sweep(|shutdown: CancellationToken| {
            let state: StateCell = StateCell::new();
            let guarded = start(state.clone(), shutdown.clone(), waits_three_times);
            let start = async move {
                if shutdown.is_cancelled() {
                    return Err(io::Error::other("cancelled"));
                }
                guarded.await
            };
            (state, start)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled before the first poll: the start is refused, and the cell reads \
             `Created`; guard the start with `state = ..` and by the token that the closure of \
             `sweep` gets"
        );
    }

    #[tokio::test]
    async fn an_attempt_under_a_token_that_is_already_cancelled() {
        let message = caught(sweep(|shutdown| {
            let (state, own) = (StateCell::new(), CancellationToken::new());
            let mut guarded = start(state.clone(), own.clone(), waits_three_times);
            let start = async move {
                let cancelled = own.clone();
                if on_cancel(&shutdown, move || cancelled.cancel()) {
                    let begun = poll_fn(|cx| Poll::Ready(guarded.poll_unpin(cx))).await;
                    assert!(begun.is_pending());
                    own.cancel();
                }
                guarded.await
            };
            (state, start)
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled before the first poll: an attempt has begun under a token that is \
             already cancelled; guard the start by the token that the closure of `sweep` gets"
        );
    }
}

/// Each of these services is broken, and passes, because a sweep cannot know.
mod does_not_find {
    use super::*;

    /// Something in the world outside, which is not counted.
    #[tokio::test]
    async fn a_file_that_a_refused_start_leaves() {
        let files = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&files);
        sweep(service(move |_, _| {
            let files = Arc::clone(&left);
            async move {
                files.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                files.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            }
        }))
        .await;
        assert!(files.load(Ordering::Relaxed) > 0);
        // `track_count` finds it.
        let counted = Arc::clone(&files);
        let sweep = impatient().track_count("files", move || counted.load(Ordering::Relaxed));
        let message = caught(sweep.run(service(move |_, _| {
            let files = Arc::clone(&files);
            async move {
                files.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                files.fetch_sub(1, Ordering::Relaxed);
                Ok(())
            }
        })))
        .await;
        assert!(
            message.starts_with("sweep: cancelled at suspension point 1, while it waits: files: "),
            "{message}"
        );
    }

    /// Another thread may spawn meanwhile, so the sweep cannot know who has spawned.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_is_not_tracked_on_several_threads() {
        let sweep = Sweep::new().while_running(Server::connect);
        let report = sweep.run(Server::make(Handler::Unserved)).await;
        assert!(
            report.to_string().ends_with(
                "tasks                     those of the start are parts, none is left\n\
                 tasks for the client      whether they are parts was not checked: multi_thread"
            ),
            "{report}"
        );
    }

    #[tokio::test]
    async fn a_thread_without_a_guard() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = Arc::new(Mutex::new(stopped));
        sweep(service(move |_, _| {
            let stopped = Arc::clone(&stopped);
            async move {
                std::thread::spawn(move || {
                    let _ = stopped.lock().map(|stopped| stopped.recv());
                });
                Ok(())
            }
        }))
        .await;
        drop(stop);
    }

    /// The guard is a part without a task, so the numbers agree.
    #[tokio::test]
    async fn a_task_that_is_not_served_beside_a_guard_of_a_thread() {
        sweep(service(|state, token| async move {
            let guard = state.serve_guard();
            std::thread::spawn(move || {
                let stopped = guard.token();
                while !stopped.is_cancelled() {
                    std::thread::yield_now();
                }
            });
            tokio::spawn(async move { token.cancelled().await });
            Ok(())
        }))
        .await;
    }

    /// It looks like a quiet start.
    #[tokio::test]
    async fn a_refusal_that_is_reported_as_success() {
        let mut make = service(waits_three_times);
        sweep(|shutdown| {
            let (state, start) = make(shutdown);
            let start = async move {
                let _ = start.await;
                io::Result::Ok(())
            };
            (state, start)
        })
        .await;
    }

    /// Nothing can start that service again. `finds::a_start_that_is_dead_after_a_refusal` has the
    /// same service for each run.
    #[tokio::test]
    async fn a_start_that_is_dead_after_a_refusal_of_a_fresh_service() {
        let report = sweep(|shutdown| {
            let state: StateCell = StateCell::new();
            let locked = AtomicBool::new(false);
            let cell = state.clone();
            let start = async move {
                let attempt = cell.begin_again(&shutdown)?;
                let body = async |_| {
                    if locked.swap(true, Ordering::Relaxed) {
                        return Err(io::Error::other("locked"));
                    }
                    yield_now().await;
                    locked.store(false, Ordering::Relaxed);
                    Ok(())
                };
                attempt.start(body).await
            };
            (state, start)
        })
        .await;
        assert_eq!(report.restarts(), None, "{report}");
    }

    /// A thread that cancels while the body is polled is too late to keep the body from its next
    /// lines. The sweep cancels only between two polls.
    #[tokio::test]
    async fn a_side_effect_between_the_last_await_and_the_end() {
        fn registering(
            registered: Arc<AtomicBool>,
            meanwhile: impl Fn() + Clone + 'static,
        ) -> impl FnMut(CancellationToken) -> Made {
            service(move |_, _| {
                let (registered, meanwhile) = (Arc::clone(&registered), meanwhile.clone());
                async move {
                    yield_now().await;
                    meanwhile();
                    registered.store(true, Ordering::Relaxed);
                    Ok(())
                }
            })
        }
        let registered = Arc::new(AtomicBool::new(false));
        sweep(registering(Arc::clone(&registered), || ())).await;

        registered.store(false, Ordering::Relaxed);
        let shutdown = CancellationToken::new();
        let cancelled = shutdown.clone();
        let mut make = registering(Arc::clone(&registered), move || cancelled.cancel());
        let (_, start) = make(shutdown);
        assert!(start.await.is_err());
        assert!(
            registered.load(Ordering::Relaxed),
            "by a start that was refused"
        );
    }
}

mod without_a_cell {
    use super::*;

    #[cancel_guarded]
    async fn migrate(shutdown: CancellationToken) -> io::Result<()> {
        yield_now().await;
        yield_now().await;
        drop(shutdown);
        Ok(())
    }

    #[tokio::test]
    async fn a_guarded_function_passes() {
        let report = sweep_fn(migrate).await;
        assert_eq!(
            report.to_string(),
            "suspension points         2\n\
             cancelled and refused     5\n\
             dropped while starting    2\n\
             cancelled once it was up  1\n\
             tasks                     none is left"
        );
    }

    #[tokio::test]
    async fn a_function_that_cannot_say_that_it_was_refused_passes() {
        let report = sweep_fn(|shutdown: CancellationToken| async move {
            shutdown.run_until_cancelled(yield_now()).await;
        })
        .await;
        assert_eq!(report.points(), 1, "{report}");
    }

    #[tokio::test]
    async fn a_function_that_ignores_its_token_is_found() {
        let message = caught(sweep_fn(|_| async {
            yield_now().await;
            io::Result::Ok(())
        }))
        .await;
        assert_eq!(
            message,
            "sweep: cancelled before the first poll: the start has returned success though its token \
             was cancelled before; guard it by `#[cancel_guarded]`, and by the token that the \
             closure of `sweep_fn` gets"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_polls_for_ever_is_found() {
        let message = caught(
            impatient().run_fn(|shutdown: CancellationToken| async move {
                if !shutdown.is_cancelled() {
                    yield_now().await;
                }
                while shutdown.is_cancelled() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                io::Result::Ok(())
            }),
        )
        .await;
        assert!(
            message.contains(
                "has not returned 0ns after it was cancelled (0 suspension points so far"
            ),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_task_that_is_left_is_found() {
        let message = caught(
            impatient().run_fn(|shutdown: CancellationToken| async move {
                tokio::spawn(pending::<()>());
                migrate(shutdown).await
            }),
        )
        .await;
        assert!(
            message.starts_with("sweep: not cancelled: tasks: 1 now, 0 before"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_function_that_waits_for_its_token_is_found() {
        let message = caught(
            impatient().run_fn(|shutdown: CancellationToken| async move {
                shutdown.cancelled().await;
                io::Result::Err(io::Error::other("cancelled")) as io::Result<()>
            }),
        )
        .await;
        assert!(
            message.contains("is not up (1 suspension point so far)"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_function_that_fails_or_panics_by_itself_is_found() {
        let message = caught(sweep_fn(|_| async { Err::<(), _>("no disk") })).await;
        assert!(message.contains("nothing cancels it: no disk"), "{message}");
        let message = caught(sweep_fn(|_| async { panic!("no disk") as () })).await;
        assert!(message.contains("the start panicked: no disk"), "{message}");
    }

    #[tokio::test]
    async fn a_function_that_fails_after_one_that_did_not_is_found() {
        let runs = AtomicUsize::new(0);
        let message = caught(sweep_fn(|_| {
            let is_locked = runs.fetch_add(1, Ordering::Relaxed) > 1;
            async move {
                if is_locked {
                    return Err("locked");
                }
                yield_now().await;
                Ok(())
            }
        }))
        .await;
        assert!(
            message.contains("the start fails: locked; a start before it has left something"),
            "{message}"
        );
    }

    #[tokio::test]
    async fn a_function_that_never_ends_is_found() {
        let message = caught(sweep_fn(|_| async {
            loop {
                yield_now().await;
            }
            #[allow(unreachable_code)]
            Ok::<(), io::Error>(())
        }))
        .await;
        assert!(message.contains("waited more than 200 times"), "{message}");
    }
}
