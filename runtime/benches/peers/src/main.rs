//! Compares a service of this library with one by hand and with other lifecycle libraries.
//!
//! `cargo run --release` prints the tables. Instructions need valgrind: the program then runs itself
//! under callgrind, with few lives and with many, and the difference is what the lives took.

mod job;
mod peers;

use std::env;
use std::future::Future;
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use job::{Job, Probe, settle};
use tokio::runtime::Builder;

/// One way to write a service.
trait Peer {
    const NAME: &'static str;

    /// One life: start, seen running, stop, seen stopped.
    async fn life(job: Job);

    /// Tells the service to stop, and only then starts it.
    async fn told_first(job: Job);

    /// Starts the service, and tells it to stop while its set-up waits in `probe`.
    async fn told_in_set_up(job: Job, probe: &Probe);

    /// How many services are stopped at once.
    const CROWD: usize = 10_000;

    /// Starts `count` services, and measures from the call that stops all to the end of the last.
    async fn stop_many(count: usize) -> Duration;
}

/// The lives in the shorter run and in the longer one.
const FEW: usize = 100;
const MANY: usize = 300;

type Columns = (&'static str, fn(usize), fn() -> Findings, fn() -> f64);

macro_rules! peers {
    ($($peer:path),+ $(,)?) => {
        [$((
            <$peer as Peer>::NAME,
            lives::<$peer> as fn(usize),
            findings::<$peer> as fn() -> Findings,
            crowd::<$peer> as fn() -> f64,
        )),+]
    };
}

const PEERS: [Columns; 7] = peers![
    peers::guarded::Guarded,
    peers::by_hand::ByHand,
    peers::graceful::GracefulShutdown,
    peers::ractor::Ractor,
    peers::kameo::Kameo,
    peers::supervisor::TaskSupervisor,
    peers::fuel::FuelServices,
];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [peer, count] = &*arguments {
        // Under valgrind.
        PEERS[number(peer)].1(number(count));
        // Without the drop of what is left: that is no part of a life.
        exit(0);
    }
    println!(
        "| service | instructions of a life | × by hand | stop of many at once, µs each | × by hand | \
         told to stop before its start | told to stop in its set-up | when it reads stopped |"
    );
    println!("|---|---:|---:|---:|---:|---|---|---|");
    let lives: Vec<f64> = (0..PEERS.len()).map(instructions).collect();
    let crowds: Vec<f64> = PEERS.iter().map(|(.., crowd)| crowd()).collect();
    for (peer, (name, _, findings, _)) in PEERS.iter().enumerate() {
        let Findings { first, set_up, end } = findings();
        println!(
            "| {name} | {:.0} | {:.2} | {:.2} | {:.2} | {first} | {set_up} | {end} |",
            lives[peer],
            lives[peer] / lives[1],
            crowds[peer],
            crowds[peer] / crowds[1],
        );
    }
}

fn number(argument: &str) -> usize {
    argument.parse().expect("a number")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime of one thread").block_on(work)
}

fn lives<P: Peer>(count: usize) {
    block_on(async {
        for _ in 0..count {
            P::life(Job::default()).await;
        }
    });
}

/// Microseconds for each service, the least of three runs.
fn crowd<P: Peer>() -> f64 {
    let times = [(); 3].map(|()| block_on(P::stop_many(P::CROWD)).as_secs_f64());
    let least = times.into_iter().fold(f64::INFINITY, f64::min);
    least * 1e6 / P::CROWD as f64
}

/// The findings about a service.
struct Findings {
    first: &'static str,
    set_up: &'static str,
    end: &'static str,
}

fn findings<P: Peer>() -> Findings {
    block_on(async {
        let probe = Arc::new(Probe::default());
        probe.gate.add_permits(1);
        P::told_first(Job::probed(&probe)).await;
        settle().await;
        let first = match (probe.begun.load(SeqCst), probe.up.load(SeqCst)) {
            (_, true) => "comes up",
            (true, false) => "sets up, and does not come up",
            (false, false) => "does not begin",
        };
        let probe = Arc::new(Probe::default());
        P::told_in_set_up(Job::probed(&probe), &probe).await;
        settle().await;
        let set_up = match (probe.up.load(SeqCst), probe.passed.load(SeqCst)) {
            (true, _) => "comes up",
            (false, true) => "ends its set-up, and does not come up",
            (false, false) => "is dropped in its set-up",
        };
        let probe = Arc::new(Probe::default());
        probe.gate.add_permits(1);
        P::life(Job::probed(&probe)).await;
        let end = if probe.gone.load(SeqCst) {
            "its future is gone"
        } else {
            "its future may be there"
        };
        Findings { first, set_up, end }
    })
}

fn instructions(peer: usize) -> f64 {
    let [few, many] = [FEW, MANY].map(|count| collect(peer, count));
    (many - few) / (MANY - FEW) as f64
}

fn collect(peer: usize, count: usize) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("this program"))
        .args([peer.to_string(), count.to_string()])
        .output()
        .expect("valgrind runs");
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) = collected.unwrap_or_else(|| panic!("valgrind collected nothing: {log}"));
    collected.trim().parse().expect("a number")
}
