//! The guarantees under threads that race: bounded rounds, each with threads of its own.
//!
//! `CANCEL_GUARDED_ROUNDS` sets the number of rounds. A thread that waits for ever hangs the test.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use cancel_guarded::{CancellationToken, FailureKind, Lifecycle, StartError, StateCell};

type Cell = StateCell<Lifecycle>;

fn rounds() -> u64 {
    let rounds = std::env::var("CANCEL_GUARDED_ROUNDS").ok();
    rounds.map_or(1_000, |rounds| {
        rounds.parse().expect("the variable is a number")
    })
}

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// A delay of a random length.
    fn delay(&mut self) -> u64 {
        match self.below(3) {
            0 => 0,
            1 => self.below(40),
            _ => self.below(400),
        }
    }
}

fn spin(count: u64) {
    for _ in 0..count {
        std::hint::spin_loop();
    }
    if count % 7 == 1 {
        thread::yield_now();
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

async fn yield_times(count: u64) {
    let mut left = count;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn has_ended(cell: &Cell) -> bool {
    matches!(cell.state(), Lifecycle::Stopped | Lifecycle::Failed)
}

/// A future that says when it is dropped, and that its attempt has not ended then.
struct Probe<F> {
    future: F,
    cell: Cell,
    is_dropped: Arc<AtomicBool>,
    drop_delay: u64,
}

impl<F: Future + Unpin> Future for Probe<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert_ne!(
            self.cell.state(),
            Lifecycle::Starting,
            "it ran before publication"
        );
        Pin::new(&mut self.future).poll(cx)
    }
}

impl<F> Drop for Probe<F> {
    fn drop(&mut self) {
        spin(self.drop_delay);
        // Only a flag: what panics here is caught.
        if has_ended(&self.cell) {
            VIOLATIONS.fetch_add(1, Ordering::SeqCst);
        }
        self.is_dropped.store(true, Ordering::SeqCst);
    }
}

static VIOLATIONS: AtomicUsize = AtomicUsize::new(0);

fn assert_no_violation(round: u64) {
    assert_eq!(
        VIOLATIONS.load(Ordering::SeqCst),
        0,
        "round {round}: a part outlived its attempt"
    );
}

/// How the service of a round is told to end.
const WAYS_TO_END: u64 = 7;

fn end(cell: &Cell, token: &CancellationToken, way: u64) {
    match way {
        0 => token.cancel(),
        1 => drop(cell.request_stop()),
        2 => cell.abort(),
        3 => drop(cell.fail("told to fail")),
        4 => drop(block_on(cell.stop())),
        5 => drop(block_on(cell.stop_or_abort(yield_times(3)))),
        _ => {
            if let Some(own) = cell.token() {
                own.cancel();
            }
        }
    }
    assert!(
        !cell.is_running(),
        "G6: it runs after the call that told it to end"
    );
}

#[test]
fn a_service_with_parts_of_every_kind_ends_once() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("it begins");
        let own = attempt.token();
        let dropped: [Arc<AtomicBool>; 2] = Default::default();
        let probe = |which: usize, drop_delay| {
            let own = own.clone();
            Probe {
                future: Box::pin(async move { own.cancelled().await }),
                cell: cell.clone(),
                is_dropped: Arc::clone(&dropped[which]),
                drop_delay,
            }
        };
        let served = cell.serve(probe(0, random.delay()));
        let tracked = cell.track(probe(1, random.delay()));
        let guard = cell.serve_guard();
        let (running, stopped) = (cell.running(), cell.stopped());
        let is_cancelled = AtomicBool::new(false);
        let delays: Vec<u64> = (0..6).map(|_| random.delay()).collect();
        let (way, second) = (random.below(WAYS_TO_END), random.below(WAYS_TO_END));
        let barrier = Barrier::new(6);
        let (started, was_running, ended) = thread::scope(|scope| {
            let start = scope.spawn(|| {
                barrier.wait();
                let body = async |_| {
                    yield_times(delays[0] % 5).await;
                    spin(delays[0]);
                    let must_fail = is_cancelled.load(Ordering::SeqCst);
                    Ok::<_, StartError>(must_fail)
                };
                block_on(attempt.start(body))
            });
            scope.spawn(|| {
                barrier.wait();
                spin(delays[1]);
                block_on(served);
            });
            scope.spawn(|| {
                barrier.wait();
                spin(delays[2]);
                block_on(tracked);
            });
            scope.spawn(|| {
                barrier.wait();
                let published = block_on(guard.published());
                if published.is_ok() {
                    block_on(guard.token().cancelled_owned());
                }
                assert!(guard.token().is_cancelled());
                drop(guard);
            });
            scope.spawn(|| {
                barrier.wait();
                spin(delays[4]);
                end(&cell, &token, way);
                is_cancelled.store(true, Ordering::SeqCst);
                spin(delays[3]);
                end(&cell, &token, second);
            });
            barrier.wait();
            let was_running = block_on(running);
            let ended = block_on(stopped);
            assert!(has_ended(&cell));
            assert!(dropped.iter().all(|dropped| dropped.load(Ordering::SeqCst)));
            assert!(own.is_cancelled());
            (start.join().expect("it does not panic"), was_running, ended)
        });
        assert_no_violation(round);
        assert_ne!(
            started,
            Ok(true),
            "round {round}, G2: published after the cancelling call"
        );
        assert_eq!(
            started.is_ok(),
            was_running.is_ok(),
            "round {round}, G3: {started:?}"
        );
        let failure = cell.failure();
        assert_eq!(
            cell.state() == Lifecycle::Failed,
            failure.is_some(),
            "round {round}"
        );
        let failure = failure.filter(|failure| failure.kind() != FailureKind::Cancelled);
        assert_eq!(ended.err(), failure, "round {round}");
    }
}

#[test]
fn no_start_begins_after_a_stop_until_the_rearm() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let is_stopped = AtomicBool::new(false);
        let delay = random.delay();
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..10 {
                        let was_stopped = is_stopped.load(Ordering::SeqCst);
                        let token = CancellationToken::new();
                        if let Ok(attempt) = cell.begin_again(&token) {
                            assert!(!was_stopped, "round {round}, G7: it began after a stop");
                            let body = |_| Ok::<_, StartError>(is_stopped.load(Ordering::SeqCst));
                            let started = attempt.start_sync(body);
                            assert_ne!(started, Ok(true), "round {round}, G2");
                        }
                        token.cancel();
                    }
                });
            }
            barrier.wait();
            spin(delay);
            assert!(cell.request_stop(), "R14: it is the first stop");
            is_stopped.store(true, Ordering::SeqCst);
        });
        assert!(has_ended(&cell), "round {round}: {cell:?}");
        assert!(cell.stop_requested());
        assert!(cell.rearm());
        let attempt = cell
            .begin_again(&CancellationToken::new())
            .expect("rearmed");
        attempt
            .start_sync(|_| Ok::<_, StartError>(()))
            .expect("starts");
        assert!(cell.is_running());
    }
}

#[test]
fn rearm_and_stop_leave_one_of_two_orders() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        cell.request_stop();
        let (first, second) = (random.delay(), random.delay());
        let barrier = Barrier::new(2);
        let (rearmed, stopped_first) = thread::scope(|scope| {
            let rearm = scope.spawn(|| {
                barrier.wait();
                spin(first);
                cell.rearm()
            });
            barrier.wait();
            spin(second);
            let stopped_first = cell.request_stop();
            (rearm.join().expect("it does not panic"), stopped_first)
        });
        assert!(rearmed);
        assert_eq!(
            cell.stop_requested(),
            stopped_first,
            "round {round}: the stop was taken back"
        );
    }
}

#[test]
fn a_stop_that_returns_true_has_cancelled_the_own_token() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let guard = attempt.start_sync(|_| Ok::<_, StartError>(cell.serve_guard()));
        let guard = guard.expect("starts");
        let own = cell.token().expect("it runs");
        let (first, second, way) = (random.delay(), random.delay(), random.below(2));
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                spin(first);
                if way == 0 {
                    let _ = cell.transition(Lifecycle::Running, Lifecycle::Stopping);
                } else {
                    cell.fail("told to fail");
                }
                assert_ne!(cell.state(), Lifecycle::Running);
            });
            barrier.wait();
            spin(second);
            assert!(cell.request_stop());
            assert!(own.is_cancelled(), "round {round}");
        });
        drop(guard);
        assert!(has_ended(&cell));
    }
}

#[test]
fn an_end_that_can_be_read_comes_after_the_own_token() {
    for round in 0..rounds() * 2 {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let guard = attempt.start_sync(|_| Ok::<_, StartError>(cell.serve_guard()));
        let guard = guard.expect("starts");
        let own = cell.token().expect("it runs");
        let (first, second) = (random.below(30), random.below(30));
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                spin(first);
                let _ = cell.transition(Lifecycle::Running, Lifecycle::Stopping);
            });
            barrier.wait();
            spin(second);
            drop(guard);
            assert!(has_ended(&cell), "round {round}: no part is left");
            assert!(own.is_cancelled(), "round {round}, G4");
        });
    }
}

#[test]
fn no_client_runs_after_the_stop_has_returned() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let guard = attempt.start_sync(|_| Ok::<_, StartError>(cell.serve_guard()));
        let guard = guard.expect("starts");
        let live = Arc::new(AtomicUsize::new(0));
        let is_over = Arc::new(AtomicBool::new(false));
        let delays: Vec<u64> = (0..4).map(|_| random.delay()).collect();
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                spin(delays[0]);
                drop(guard);
            });
            for thread in [1_usize, 2] {
                let (cell, barrier, delays) = (&cell, &barrier, &delays);
                let (live, is_over) = (Arc::clone(&live), Arc::clone(&is_over));
                scope.spawn(move || {
                    barrier.wait();
                    for _ in 0..5 {
                        spin(delays[thread]);
                        let (live, is_over) = (Arc::clone(&live), Arc::clone(&is_over));
                        let client = cell.track(async move {
                            live.fetch_add(1, Ordering::SeqCst);
                            assert!(!is_over.load(Ordering::SeqCst), "it runs after the stop");
                            yield_times(2).await;
                            live.fetch_sub(1, Ordering::SeqCst);
                        });
                        block_on(client);
                    }
                });
            }
            barrier.wait();
            spin(delays[3]);
            block_on(cell.stop()).expect("a polite stop is no error");
            assert_eq!(
                live.load(Ordering::SeqCst),
                0,
                "round {round}: STOPPED with a client"
            );
            is_over.store(true, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_refused_start_returns_when_every_served_future_is_dropped() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("it begins");
        let is_dropped = Arc::new(AtomicBool::new(false));
        let served = cell.serve(Probe {
            future: Box::pin(pending::<()>()),
            cell: cell.clone(),
            is_dropped: Arc::clone(&is_dropped),
            drop_delay: 200 + random.delay(),
        });
        let delays: Vec<u64> = (0..4).map(|_| random.delay()).collect();
        let aborts = random.below(2) == 0;
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                let body = async |_| {
                    yield_times(delays[0] % 4).await;
                    pending::<Result<(), StartError>>().await
                };
                let refused = block_on(attempt.start(body));
                assert!(refused.is_err());
                assert!(
                    is_dropped.load(Ordering::SeqCst),
                    "round {round}: it is still there"
                );
                assert!(has_ended(&cell), "round {round}: {cell:?}");
            });
            scope.spawn(|| {
                barrier.wait();
                spin(delays[1]);
                if aborts {
                    assert_eq!(block_on(served), None);
                } else {
                    drop(served);
                }
            });
            scope.spawn(|| {
                barrier.wait();
                spin(delays[2]);
                if aborts {
                    cell.abort();
                }
            });
            barrier.wait();
            spin(delays[3]);
            token.cancel();
        });
        assert_no_violation(round);
        assert!(cell.failure().is_some());
    }
}

#[test]
fn a_publisher_and_a_cancellation_agree() {
    for round in 0..rounds() {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let token = CancellationToken::new();
        let attempt = cell.begin(&token).expect("it begins");
        let running = cell.running();
        let (first, second, third) = (random.delay(), random.delay(), random.delay());
        let publisher = cell.publisher();
        let barrier = Barrier::new(3);
        let was_published = thread::scope(|scope| {
            let run = scope.spawn(|| {
                barrier.wait();
                spin(first);
                let body = async |token: CancellationToken, _| {
                    token.cancelled().await;
                    Ok::<_, StartError>(())
                };
                block_on(attempt.run(body))
            });
            let caller = scope.spawn(|| {
                barrier.wait();
                spin(second);
                (0..3).any(|_| publisher.publish())
            });
            barrier.wait();
            spin(third);
            token.cancel();
            assert!(!cell.is_running(), "round {round}, G6");
            assert!(!publisher.publish(), "round {round}, G2");
            let _ = run.join().expect("it does not panic");
            caller.join().expect("it does not panic")
        });
        // The first call may publish, and find the service stopped when it returns.
        assert!(block_on(running).is_ok() || !was_published, "round {round}");
        assert!(has_ended(&cell), "round {round}");
    }
}

#[test]
fn a_panic_in_one_thread_ends_the_service_for_all() {
    for round in 0..rounds() / 4 {
        let mut random = Random(round);
        let cell: Cell = StateCell::new();
        let attempt = cell.begin(&CancellationToken::new()).expect("it begins");
        let guards = attempt.start_sync(|_| {
            Ok::<_, StartError>([cell.serve_guard(), cell.serve_guard(), cell.serve_guard()])
        });
        let guards = guards.expect("starts");
        let panics = random.below(3);
        thread::scope(|scope| {
            for (guard, number) in guards.into_iter().zip(0..) {
                scope.spawn(move || {
                    let left = catch_unwind(AssertUnwindSafe(|| {
                        let guard = guard;
                        if number == panics {
                            std::panic::resume_unwind(Box::new("scripted"));
                        }
                        block_on(guard.token().cancelled_owned());
                    }));
                    assert_eq!(left.is_err(), number == panics);
                });
            }
        });
        assert_eq!(cell.state(), Lifecycle::Failed, "round {round}");
        let failure = cell.failure().expect("a cause");
        assert_eq!(failure.kind(), FailureKind::Panicked);
    }
}

/// Counts itself while it lives.
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn an_attempt_begins_only_when_nothing_is_left_of_the_one_before() {
    for round in 0..rounds() / 20 {
        let cell: Cell = StateCell::new();
        let live = Arc::new(AtomicUsize::new(0));
        // Counts the starters, also when one of them panics: the others do not wait for it.
        let starters = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for seed in 0..2 {
                let (cell, live, starter) = (&cell, &live, Live::new(&starters));
                scope.spawn(move || {
                    let _starter = starter;
                    let mut random = Random(round * 10 + seed);
                    for _ in 0..30 {
                        start_and_serve(cell, live, &mut random);
                    }
                });
            }
            scope.spawn(|| {
                while starters.load(Ordering::SeqCst) > 0 {
                    let state = cell.state();
                    if matches!(state, Lifecycle::Starting | Lifecycle::Running) {
                        let _ = block_on(cell.running());
                    }
                    if state == Lifecycle::Stopping {
                        let _ = block_on(cell.stopped());
                    }
                    thread::yield_now();
                }
            });
            let mut random = Random(round * 10 + 5);
            while starters.load(Ordering::SeqCst) > 0 {
                spin(random.delay());
                match random.below(6) {
                    0 => drop(cell.request_stop()),
                    1 => cell.abort(),
                    2 => drop(cell.fail("told to fail")),
                    3 => drop(block_on(cell.stop_or_abort(yield_times(2)))),
                    4 => drop(cell.transition(Lifecycle::Running, Lifecycle::Stopping)),
                    _ => {
                        if let Some(own) = cell.token() {
                            own.cancel();
                        }
                    }
                }
                cell.rearm();
            }
        });
        assert!(has_ended(&cell), "round {round}: {cell:?}");
        assert_eq!(live.load(Ordering::SeqCst), 0, "round {round}");
    }
}

/// One attempt with parts of three kinds, if it begins.
fn start_and_serve(cell: &Cell, live: &Arc<AtomicUsize>, random: &mut Random) {
    let token = CancellationToken::new();
    let Ok(attempt) = cell.begin_again(&token) else {
        return thread::yield_now();
    };
    assert_eq!(
        live.load(Ordering::SeqCst),
        0,
        "G4: a part is left of an earlier attempt"
    );
    let own = attempt.token();
    let part = |is_stubborn: bool| {
        let (part, own) = (Live::new(live), own.clone());
        async move {
            let _part = part;
            own.cancelled().await;
            if is_stubborn {
                yield_times(20).await;
            }
        }
    };
    let served = cell.serve(part(random.below(2) == 0));
    let tracked = cell.track(part(random.below(2) == 0));
    let guard = cell.serve_guard();
    let yields = random.below(4);
    let started = block_on(attempt.start(async |_| {
        yield_times(yields).await;
        Ok::<_, StartError>(())
    }));
    if random.below(4) == 0 {
        token.cancel();
        assert!(own.is_cancelled());
    }
    thread::scope(|scope| {
        scope.spawn(move || block_on(served));
        scope.spawn(move || block_on(tracked));
        if started.is_ok() {
            block_on(guard.token().cancelled_owned());
        }
        drop(guard);
    });
    assert!(own.is_cancelled());
}
