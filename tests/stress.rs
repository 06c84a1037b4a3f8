//! Cancel against start, many times over: one cell restarted under token after token, many cells
//! under one, and on executors other than tokio's.
//!
//! `STRESS=1000000 cargo test --release -p cancel-guarded-tests --test stress` runs as many
//! rounds of each; a few thousand unless told.

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::thread;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle};
use cancel_guarded_tests::{CANCELLED, Gate, Service, TestError, now};

fn rounds() -> usize {
    let rounds = env::var("STRESS").ok();
    rounds.map_or(4_000, |rounds| rounds.parse().expect("STRESS is a number"))
}

/// Pending once, so that a start has an await to be interrupted at.
#[derive(Default)]
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How a token is handed to a start, and from where it is cancelled.
fn derived(round: usize, token: &CancellationToken) -> CancellationToken {
    match round % 3 {
        0 => token.clone(),
        1 => token.child_token(),
        _ => token.child_token().child_token(),
    }
}

/// Who goes first in a round.
enum Order {
    StartFirst,
    CancelFirst,
    /// Whoever does.
    Open,
}

impl Order {
    fn of(round: usize) -> Self {
        match round % 16 {
            0 => Self::StartFirst,
            1 => Self::CancelFirst,
            _ => Self::Open,
        }
    }
}

fn yield_until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

fn spin(times: i64) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}

type Run<'a> = Pin<Box<dyn Future<Output = Result<(), TestError>> + Send + 'a>>;

/// One cell, restarted under token after token, each cancelled while it starts.
fn restarted(block_on: impl Fn(Run<'_>) -> Result<(), TestError> + Send) {
    let rounds = rounds();
    let service = Service::new();
    let tokens: Vec<_> = (0..rounds).map(|_| CancellationToken::new()).collect();
    let gates: Vec<_> = (0..2 * rounds).map(|_| Gate::for_threads(2)).collect();
    // Who waits before it goes: the canceller if positive, the start if negative.
    let aim = AtomicI64::new(0);
    let (started, refused) = thread::scope(|scope| {
        scope.spawn(|| {
            for (round, (token, gates)) in tokens.iter().zip(gates.chunks_exact(2)).enumerate() {
                gates[0].pass();
                match Order::of(round) {
                    Order::StartFirst => yield_until(|| service.state.is_running()),
                    Order::CancelFirst => {}
                    Order::Open => spin(aim.load(Ordering::Relaxed)),
                }
                token.cancel();
                let state = service.state.state();
                assert_ne!(state, Lifecycle::Running, "cancel() has returned");
                gates[1].pass();
            }
        });

        let (mut started, mut refused) = (0, 0);
        for (round, (token, gates)) in tokens.iter().zip(gates.chunks_exact(2)).enumerate() {
            let running = service.state.running();
            let token = derived(round, token);
            let start: Run<'_> = if round % 2 == 0 {
                Box::pin(service.restart(token, async {
                    Once::default().await;
                    Ok(())
                }))
            } else {
                Box::pin(service.restart_seeing(token, |_| async { Ok(()) }))
            };
            gates[0].pass();
            match Order::of(round) {
                Order::StartFirst => {}
                Order::CancelFirst => yield_until(|| tokens[round].is_cancelled()),
                Order::Open => spin(-aim.load(Ordering::Relaxed)),
            }
            let result = block_on(start);
            gates[1].pass();
            match Order::of(round) {
                Order::StartFirst => assert_eq!(result, Ok(()), "round {round}"),
                Order::CancelFirst => assert_eq!(result, Err(CANCELLED), "round {round}"),
                Order::Open => {}
            }
            match result {
                Ok(()) => {
                    started += 1;
                    aim.fetch_sub(8, Ordering::Relaxed);
                    assert_eq!(service.state.state(), Lifecycle::Stopping, "round {round}");
                    assert_eq!(now(running), Ok(()), "round {round}: it published");
                    service
                        .state
                        .transition(Lifecycle::Stopping, Lifecycle::Stopped)
                        .expect("drained");
                }
                Err(error) => {
                    refused += 1;
                    aim.fetch_add(8, Ordering::Relaxed);
                    assert_eq!(error, CANCELLED, "round {round}");
                    assert_eq!(service.state.state(), Lifecycle::Failed, "round {round}");
                    let failure = service.state.failure().expect("a cause");
                    assert_eq!(failure.kind(), FailureKind::Cancelled, "round {round}");
                }
            }
        }
        (started, refused)
    });
    println!("{started} started, {refused} refused");
}

#[test]
fn restarted_on_futures() {
    restarted(|start| futures::executor::block_on(start));
}

#[test]
fn restarted_on_smol() {
    restarted(|start| smol::block_on(start));
}

#[test]
fn restarted_on_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    restarted(move |start| runtime.block_on(start));
}

/// Many cells under one token, which is cancelled while they start.
#[test]
fn a_thousand_cells_under_one_token() {
    for round in 0..rounds() / 1_000 {
        let token = CancellationToken::new();
        let services: Vec<_> = (0..1_000).map(|_| Service::new()).collect();
        let gate = Gate::for_threads(2);
        let results: Vec<_> = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                gate.pass();
                let start = |(i, service): (usize, &Service)| {
                    let token = derived(i, &token);
                    futures::executor::block_on(service.start(token, async { Ok(()) }))
                };
                services.iter().enumerate().map(start).collect()
            });
            gate.pass();
            for _ in 0..round * 200 {
                std::hint::spin_loop();
            }
            token.cancel();
            for (i, service) in services.iter().enumerate() {
                assert_ne!(service.state.state(), Lifecycle::Running, "cell {i}");
            }
            starting.join().expect("no panic")
        });
        for (i, (service, result)) in services.iter().zip(results).enumerate() {
            let expected = match result {
                Ok(()) => Lifecycle::Stopping,
                Err(error) => {
                    assert_eq!(error, CANCELLED, "cell {i}");
                    Lifecycle::Failed
                }
            };
            assert_eq!(service.state.state(), expected, "cell {i}");
        }
    }
}
