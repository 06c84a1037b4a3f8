//! Functions that return when the service is up, and functions that return when it is over.

use std::io;
use std::sync::Arc;

use axum::Router;
use cancel_guarded::{
    CancellationToken, Lifecycle, NotRunning, Publisher, StateCell, cancel_guarded,
};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::yield_now;

/// A mail server, as far as the guide needs it.
#[derive(Default)]
struct Connection {
    sent: Vec<u32>,
}

async fn connect() -> io::Result<Connection> {
    yield_now().await;
    Ok(Connection::default())
}

impl Connection {
    async fn send(&mut self, message: u32) -> io::Result<()> {
        yield_now().await;
        self.sent.push(message);
        Ok(())
    }
}

struct Mailer {
    state: StateCell,
    queue: Mutex<mpsc::Receiver<u32>>,
    sent: Mutex<Vec<u32>>,
}

impl Mailer {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
        let mut server = connect().await?; // a cancellation during this ends the run here
        let mut queue = self.queue.lock().await;
        self.state.store(Lifecycle::Running); // published; nothing interrupts what follows
        while let Some(Some(message)) = shutdown.run_until_cancelled(queue.recv()).await {
            server.send(message).await?; // a message that was received is sent
        }
        self.sent.lock().await.append(&mut server.sent);
        Ok(())
    }
}

struct Http {
    state: StateCell,
}

impl Http {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        self.state.store(Lifecycle::Running);
        axum::serve(listener, Router::new())
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
    }
}

struct Monitor {
    state: StateCell,
}

impl Monitor {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
        let up = self.state.publisher();
        self.watch(shutdown, up).await
    }

    async fn watch(&self, shutdown: CancellationToken, up: Publisher) -> io::Result<()> {
        yield_now().await; // opens what it watches
        if up.publish() {
            shutdown.cancelled().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_message_in_hand_is_sent() {
    let (sender, queue) = mpsc::channel(4);
    for message in 1..=4 {
        sender.send(message).await.unwrap();
    }
    let mailer = Mailer {
        state: StateCell::new(),
        queue: Mutex::new(queue),
        sent: Mutex::default(),
    };
    let stop = async {
        mailer.state.running().await.unwrap();
        yield_now().await;
        mailer.state.stop().await
    };
    let (ran, stopped) = tokio::join!(mailer.run(CancellationToken::new()), stop);
    ran.unwrap();
    stopped.unwrap();

    let mut messages = mailer.sent.into_inner();
    assert!(!messages.is_empty(), "it was running");
    let mut queue = mailer.queue.into_inner();
    while let Ok(message) = queue.try_recv() {
        messages.push(message);
    }
    assert_eq!(messages, [1, 2, 3, 4], "sent, or still in the queue");
}

#[tokio::test]
async fn a_graceful_shutdown_is_a_run() {
    let http = Http {
        state: StateCell::new(),
    };
    let stop = async {
        http.state.running().await.unwrap();
        http.state.stop().await
    };
    let (ran, stopped) = tokio::join!(http.run(CancellationToken::new()), stop);
    ran.unwrap();
    stopped.unwrap();
}

/// Returns when the monitor is up.
async fn up(monitor: Arc<Monitor>, shutdown: CancellationToken) -> Result<(), NotRunning> {
    let up = monitor.state.running(); // before the spawn, so that it misses nothing
    tokio::spawn(async move { monitor.run(shutdown).await });
    up.await
}

#[tokio::test]
async fn a_caller_waits_until_it_is_up() {
    let state = StateCell::new();
    let monitor = Arc::new(Monitor {
        state: state.clone(),
    });
    up(monitor, CancellationToken::new()).await.unwrap();
    assert!(state.is_running());
    state.stop().await.unwrap();
}

#[tokio::test]
async fn a_callee_publishes() {
    let monitor = Monitor {
        state: StateCell::new(),
    };
    let shutdown = CancellationToken::new();
    let cancel = async {
        monitor.state.running().await.unwrap();
        shutdown.cancel();
    };
    let (ran, ()) = tokio::join!(monitor.run(shutdown.clone()), cancel);
    ran.unwrap();
    assert_eq!(monitor.state.state(), Lifecycle::Stopped);

    let monitor = Monitor {
        state: StateCell::new(),
    };
    monitor.run(shutdown).await.unwrap_err();
    assert_eq!(monitor.state.state(), Lifecycle::Failed);
}
