//! A start as services have it: settings are read behind a lock, a loopback port is bound, others
//! get a turn, and a task serves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, yield_now};

use crate::by_hand::Atomic;
use crate::starts::by_hand::watched;
use crate::table::figure;

/// How many starts there are in a sample.
const STARTS: usize = 16;

pub(crate) type Time = fn(&Runtime) -> f64;

pub(crate) const CONTESTANTS: [(&str, Time); 5] = [
    ("unguarded", time::<AtomicBool>),
    ("unguarded, with a child token", time::<WithChild>),
    ("(b) by hand + watcher task", time::<Arc<Atomic>>),
    ("guarded, spawned without `serve`", time::<Spawned>),
    ("guarded, spawned with `serve`", time::<Served>),
];

/// Nanoseconds for a start.
fn time<S: State>(runtime: &Runtime) -> f64 {
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut time = Duration::ZERO;
        let mut services = Vec::new();
        for _ in 0..STARTS {
            let server = Server::<S>::default();
            let token = shutdown.clone();
            let begun = Instant::now();
            let started = S::start(&server, token).await;
            time += begun.elapsed();
            services.push((server, started.expect("there is a free port")));
        }
        shutdown.cancel();
        for (_server, serving) in services {
            serving.await.expect("nothing panics");
        }
        time.as_secs_f64() * 1e9 / figure(STARTS)
    })
}

/// A server, by what it keeps its state in.
struct Server<S> {
    state: S,
    settings: Mutex<Settings>,
}

struct Settings {
    addr: SocketAddr,
}

impl<S: Default> Default for Server<S> {
    fn default() -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            state: S::default(),
            settings: Mutex::new(Settings { addr }),
        }
    }
}

async fn serve(listener: TcpListener, shutdown: CancellationToken) {
    let accept = async {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    };
    let _ = shutdown.run_until_cancelled(accept).await;
}

type Started<S> = io::Result<JoinHandle<<S as State>::Output>>;

/// A state, and the start that goes with it.
trait State: Default {
    /// What the task ends with.
    type Output;

    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self>;
}

/// The token is not checked.
impl State for AtomicBool {
    type Output = ();

    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self> {
        let addr = server.settings.lock().await.addr;
        let listener = TcpListener::bind(addr).await?;
        yield_now().await;
        let serving = tokio::spawn(serve(listener, shutdown));
        server.state.store(true, Ordering::Release);
        Ok(serving)
    }
}

/// The token is not checked, but the service has one of its own.
#[derive(Default)]
struct WithChild(AtomicBool);

impl State for WithChild {
    type Output = ();

    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self> {
        let addr = server.settings.lock().await.addr;
        let listener = TcpListener::bind(addr).await?;
        yield_now().await;
        let serving = tokio::spawn(serve(listener, shutdown.child_token()));
        server.state.0.store(true, Ordering::Release);
        Ok(serving)
    }
}

/// The careful start, and a task that watches the token.
impl State for Arc<Atomic> {
    type Output = ();

    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self> {
        let body = async {
            let addr = server.settings.lock().await.addr;
            let listener = TcpListener::bind(addr).await?;
            yield_now().await;
            Ok(tokio::spawn(serve(listener, shutdown.clone())))
        };
        watched(&server.state, &shutdown, body).await
    }
}

/// What is spawned is not the cell's.
#[derive(Default)]
struct Spawned(StateCell);

impl State for Spawned {
    type Output = ();

    #[cancel_guarded(state = server.state.0)]
    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self> {
        let addr = server.settings.lock().await.addr;
        let listener = TcpListener::bind(addr).await?;
        yield_now().await;
        Ok(tokio::spawn(serve(listener, shutdown)))
    }
}

/// The cell serves what is spawned.
#[derive(Default)]
struct Served(StateCell);

impl State for Served {
    type Output = Option<()>;

    #[cancel_guarded(state = server.state.0)]
    async fn start(server: &Server<Self>, shutdown: CancellationToken) -> Started<Self> {
        let addr = server.settings.lock().await.addr;
        let listener = TcpListener::bind(addr).await?;
        yield_now().await;
        let serving = server.state.0.serve(serve(listener, shutdown));
        Ok(tokio::spawn(serving))
    }
}
