//! The race lab: one small start, written six ways, against a `cancel()` from another thread.
//!
//! ```text
//! cargo run --release --example race [-- [--only CONTESTANT] [RACES]]
//! ```
//!
//! `--only guarded` runs the contestants whose name contains `guarded`. `README.md` says how to read
//! the table.
//!
//! Each race has a new service and a new token. Two threads meet at a barrier. Then one of them drives
//! the start to its end, with work of pseudo-random length in it. The other one spins for a
//! pseudo-random time, calls `cancel()`, and **then** reads the state. After both are done, the state is
//! read again. On a single core, nothing overlaps.
//!
//! A start is late if the first read shows a state that was not published, and the second one a state
//! that was. Both reads are of one atomic, and the first one is after `cancel()` has returned, so there
//! are no false positives. A publication between the return of `cancel()` and the first read counts as
//! in time.
//!
//! A guarded start is also late if one of the reads is `RUNNING`, because `cancel()` moves its cell.

use std::env;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::io::{IsTerminal as _, stderr};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst, fence};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::yield_now;

/// Does not ask the token.
async fn naive(state: &Atomic, _: CancellationToken, work: Work) -> Result<(), StartError> {
    set_up(work).await;
    state.store(RUNNING);
    Ok(())
}

/// Asks the token before any work.
async fn pre_check(state: &Atomic, token: CancellationToken, work: Work) -> Result<(), StartError> {
    if token.is_cancelled() {
        return state.refuse();
    }
    set_up(work).await;
    state.store(RUNNING);
    Ok(())
}

/// Asks before and after the work, and publishes by compare-and-swap.
async fn check_and_swap(
    state: &Atomic,
    token: CancellationToken,
    work: Work,
) -> Result<(), StartError> {
    if token.is_cancelled() {
        return state.refuse();
    }
    set_up(work).await;
    if token.is_cancelled() || !state.compare_and_swap(STARTING, RUNNING) {
        return state.refuse();
    }
    Ok(())
}

/// Publishes in one branch, which ends a moment later.
async fn unbiased_select(
    state: &Atomic,
    token: CancellationToken,
    work: Work,
) -> Result<(), StartError> {
    let come_up = async {
        set_up(work).await;
        state.store(RUNNING);
        yield_now().await;
    };
    tokio::select! {
        () = come_up => Ok(()),
        () = token.cancelled() => Err(StartError::Cancelled),
    }
}

/// Stores after `run_until_cancelled`.
async fn run_until_cancelled(
    state: &Atomic,
    token: CancellationToken,
    work: Work,
) -> Result<(), StartError> {
    let Some(()) = token.run_until_cancelled(set_up(work)).await else {
        return state.refuse();
    };
    state.store(RUNNING);
    Ok(())
}

#[cancel_guarded(state = state)]
async fn guarded(
    state: &StateCell,
    token: CancellationToken,
    work: Work,
) -> Result<(), StartError> {
    set_up(work).await;
    Ok(())
}

/// Each contestant does some work, waits, and does some more work.
async fn set_up(work: Work) {
    work.spin();
    yield_now().await;
    work.spin();
}

/// So many turns of a loop.
#[derive(Clone, Copy)]
struct Work(u64);

impl Work {
    fn spin(self) {
        for turn in 0..self.0 {
            black_box(turn);
        }
    }
}

/// Work of pseudo-random length.
struct Jitter {
    seed: u64,
    longest: u64,
}

impl Jitter {
    fn draw(&mut self) -> Work {
        // xorshift64
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        Work(self.seed % self.longest)
    }
}

/// A state as many services keep it: a number in an atomic.
#[derive(Default)]
struct Atomic(AtomicU8);

const STARTING: u8 = 0;
const RUNNING: u8 = 1;
const FAILED: u8 = 2;

impl Atomic {
    fn store(&self, state: u8) {
        self.0.store(state, SeqCst);
    }

    fn compare_and_swap(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    fn refuse(&self) -> Result<(), StartError> {
        self.store(FAILED);
        Err(StartError::Cancelled)
    }
}

/// A state that other threads read.
trait Observed: Default + Sync {
    /// Whether `cancel()` moves a published service out of `RUNNING`.
    const MOVED_BY_CANCEL: bool;

    fn read(&self) -> Lifecycle;
}

impl Observed for Atomic {
    const MOVED_BY_CANCEL: bool = false;

    fn read(&self) -> Lifecycle {
        match self.0.load(SeqCst) {
            RUNNING => Lifecycle::Running,
            FAILED => Lifecycle::Failed,
            _ => Lifecycle::Starting,
        }
    }
}

impl Observed for StateCell {
    const MOVED_BY_CANCEL: bool = true;

    fn read(&self) -> Lifecycle {
        self.state()
    }
}

/// No test stops a service before its start, so `Stopping` and `Stopped` mean that it was up.
fn was_published(state: Lifecycle) -> bool {
    use Lifecycle::{Running, Stopped, Stopping};
    matches!(state, Running | Stopping | Stopped)
}

/// A start of the service whose state is an `S`.
trait Start<S>: AsyncFn(&S, CancellationToken, Work) -> Result<(), StartError> {}

impl<S, F> Start<S> for F where F: AsyncFn(&S, CancellationToken, Work) -> Result<(), StartError> {}

/// One race: a service, its token, and the barrier at which the two threads meet.
#[derive(Default)]
struct Race<S> {
    state: S,
    token: CancellationToken,
    arrived: AtomicUsize,
}

impl<S> Race<S> {
    /// Spins, so that the two threads go on at the same moment. With one core, they yield instead.
    fn meet(&self, yielding: bool) {
        self.arrived.fetch_add(1, SeqCst);
        while self.arrived.load(SeqCst) < 2 {
            if yielding {
                thread::yield_now();
            } else {
                spin_loop();
            }
        }
    }
}

fn races<S: Default>(count: usize) -> Vec<Race<S>> {
    (0..count).map(|_| Race::default()).collect()
}

/// Polls `future` until it is ready. These futures need no wake.
fn drive<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// The result of a race.
struct Finish {
    /// The start reported success.
    succeeded: bool,
    /// The state after `cancel()` had returned.
    seen: Lifecycle,
    /// The state after both threads were done.
    left: Lifecycle,
}

/// Runs the two threads through all of `races`.
fn hammer<S: Observed>(
    races: &[Race<S>],
    start: &impl Start<S>,
    work: &mut Jitter,
    wait: &mut Jitter,
) -> Vec<Finish> {
    let yielding = thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let cancel = |race: &Race<S>| {
        let wait = wait.draw();
        race.meet(yielding);
        wait.spin();
        race.token.cancel();
        // The processor must not read before it has cancelled.
        fence(SeqCst);
        race.state.read()
    };
    let start = |race: &Race<S>| {
        let start = start(&race.state, race.token.clone(), work.draw());
        race.meet(yielding);
        drive(start).is_ok()
    };
    let (succeeded, seen) = thread::scope(|threads| {
        let canceller = threads.spawn(|| races.iter().map(cancel).collect::<Vec<_>>());
        let succeeded: Vec<_> = races.iter().map(start).collect();
        (
            succeeded,
            canceller.join().expect("`cancel()` does not panic"),
        )
    });
    let finishes = races.iter().zip(succeeded).zip(seen);
    finishes
        .map(|((race, succeeded), seen)| Finish {
            succeeded,
            seen,
            left: race.state.read(),
        })
        .collect()
}

/// The time of a start without work and without a cancellation: the best of some rounds.
fn time_uncontended<S: Observed>(start: &impl Start<S>) -> Duration {
    const ROUNDS: usize = 20;
    const STARTS: u32 = 2_000;

    let round = |_| {
        let races = races(STARTS as usize);
        let begin = Instant::now();
        for Race { state, token, .. } in &races {
            let result = drive(start(state, token.clone(), Work(0)));
            assert!(result.is_ok(), "a start without a cancellation succeeds");
        }
        begin.elapsed() / STARTS
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}

/// All races of one contestant.
#[derive(Default)]
struct Row {
    name: &'static str,
    succeeded: usize,
    refused: usize,
    late: usize,
    disagreeing: usize,
    uncontended: Duration,
}

impl Row {
    fn count<S: Observed>(&mut self, finish: &Finish) {
        let &Finish {
            succeeded,
            seen,
            left,
        } = finish;
        if succeeded {
            self.succeeded += 1;
        } else {
            self.refused += 1;
        }
        let came_up = !was_published(seen) && was_published(left);
        let stayed_up = [seen, left].contains(&Lifecycle::Running);
        if came_up || (S::MOVED_BY_CANCEL && stayed_up) {
            self.late += 1;
        }
        if succeeded != was_published(left) {
            self.disagreeing += 1;
        }
    }
}

struct Lab {
    races: usize,
    progress: ProgressBar,
}

impl Lab {
    /// The canceller aims again after so many races.
    const BATCH: usize = 5_000;

    fn run<S: Observed>(&self, name: &'static str, start: &impl Start<S>) -> Row {
        self.progress.set_message(name);
        let mut row = Row {
            name,
            uncontended: time_uncontended(start),
            ..Row::default()
        };
        let mut work = Jitter {
            seed: 0x9e37_79b9_7f4a_7c15,
            longest: 1_024,
        };
        let mut wait = Jitter {
            seed: 0xd1b5_4a32_d192_ed03,
            longest: 2_048,
        };
        let mut to_go = self.races;
        while to_go > 0 {
            let races = races(to_go.min(Self::BATCH));
            let finishes = hammer(&races, start, &mut work, &mut wait);
            for finish in &finishes {
                row.count::<S>(finish);
            }
            let in_time = finishes.iter().filter(|race| was_published(race.seen));
            if in_time.count() < races.len() / 2 {
                wait.longest += wait.longest / 8;
            } else {
                wait.longest -= wait.longest / 8;
            }
            to_go -= races.len();
            self.progress.inc(races.len() as u64);
        }
        row
    }
}

const HEADER: &str = "\
| start                 | succeeded | refused |   published late |         disagree | ns per start |
|-----------------------|----------:|--------:|-----------------:|-----------------:|-------------:|";

fn print(rows: &[Row], races: usize) {
    println!("{HEADER}");
    for row in rows {
        println!(
            "| {:<21} | {:>9} | {:>7} | {:>16} | {:>16} | {:>12} |",
            row.name,
            row.succeeded,
            row.refused,
            share(row.late, races),
            share(row.disagreeing, races),
            row.uncontended.as_nanos(),
        );
    }
    println!();
    println!("{races} races each, aimed so that about half of the starts publish before cancel()");
    println!("published late: not published when cancel() had returned, and published in the end");
    println!("disagree: success without publication, or a refusal in spite of it");
    println!("ns per start: without a cancel() and without work, best of 20 rounds; a rough guide");
}

/// `count`, and how much of `all` that is.
fn share(count: usize, all: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let percent = 100.0 * count as f64 / all.max(1) as f64;
    format!("{count} ({percent:.2} %)")
}

/// A progress bar, for long runs on a terminal.
fn progress(races: usize) -> ProgressBar {
    if races < 100_000 || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:21} {wide_bar} {percent:>3} %, {eta} to go")
        .expect("the template is well-formed");
    ProgressBar::new(races as u64).with_style(style)
}

/// The arguments of the command line.
struct Options {
    races: usize,
    /// A part of the names of the contestants.
    only: Option<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            races: 300_000,
            only: None,
        };
        while let Some(arg) = args.next() {
            if arg == "--only" {
                options.only = Some(args.next().ok_or("--only which contestant?")?);
            } else {
                options.races = arg.parse().map_err(|error| format!("{arg}: {error}"))?;
            }
        }
        Ok(options)
    }
}

type Contestant = (&'static str, fn(&Lab, &'static str) -> Row);

const CONTESTANTS: [Contestant; 6] = [
    ("naive store", |lab, name| lab.run(name, &naive)),
    ("pre-check only", |lab, name| lab.run(name, &pre_check)),
    ("check + CAS", |lab, name| lab.run(name, &check_and_swap)),
    ("unbiased `select!`", |lab, name| {
        lab.run(name, &unbiased_select)
    }),
    ("`run_until_cancelled`", |lab, name| {
        lab.run(name, &run_until_cancelled)
    }),
    (GUARDED, |lab, name| lab.run(name, &guarded)),
];

const GUARDED: &str = "guarded";

fn main() -> ExitCode {
    let Options { races, only } = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\nusage: race [--only CONTESTANT] [RACES]");
            return ExitCode::from(2);
        }
    };
    let is_wanted = |name: &str| only.as_deref().is_none_or(|part| name.contains(part));
    let contestants: Vec<_> = (CONTESTANTS.into_iter())
        .filter(|(name, _)| is_wanted(name))
        .collect();
    if contestants.is_empty() {
        let names = CONTESTANTS.map(|(name, _)| name).join(", ");
        eprintln!("no contestant of that name; there are {names}");
        return ExitCode::from(2);
    }

    let lab = Lab {
        races,
        progress: progress(contestants.len() * races),
    };
    let rows: Vec<_> = (contestants.into_iter())
        .map(|(name, run)| run(&lab, name))
        .collect();
    lab.progress.finish_and_clear();
    print(&rows, races);

    let broken = |row: &Row| row.name == GUARDED && row.late + row.disagreeing > 0;
    if rows.iter().any(broken) {
        eprintln!("the guarded start was late, or disagreed with its state");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
