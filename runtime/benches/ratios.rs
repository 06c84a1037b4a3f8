//! The time of a guarded start, beside what people write by hand.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench ratios [-- start|check|contention|realistic|refusal]
//! ```
//!
//! The contestants take turns, batch by batch; a ratio is the median of the ratios that the
//! rounds have. Everything runs on one thread, within tokio's runtime of one thread: there a task
//! is cheapest to spawn, and no other thread needs to be woken for it.

mod by_hand;
mod checks;
mod hooked;
mod realistic;
mod side_by_side;
mod starts;
mod table;

use std::env;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cancel_guarded::CancellationToken;
use checks::{CHECKS, Check};
use realistic::CONTESTANTS;
use side_by_side::{Samples, is_bench, measure};
use starts::by_hand::ByHand;
use starts::guarded::{Guarded, GuardedWithChild};
use starts::{Batch, Contestant, each_start};
use table::{Target, figure, number, print, print_targets};
use tokio::runtime::{Builder, Runtime};

/// How many starts there are in a batch.
const STARTS: usize = 240;

fn main() {
    if is_wanted("start") {
        start();
    }
    if is_wanted("check") {
        check();
    }
    if is_wanted("contention") {
        contention();
    }
    if is_wanted("realistic") {
        realistic();
    }
    if is_wanted("refusal") {
        refusal();
    }
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("a runtime of one thread")
}

/// Whether a section is asked for: by its name on the command line, or because none is.
fn is_wanted(section: &str) -> bool {
    let mut names = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .peekable();
    names.peek().is_none() || names.any(|name| name == section)
}

fn start() {
    let runtime = &runtime();
    let names = each_start!(time_start).map(|(name, _)| name);
    let starts = each_start!(time_start).map(|(_, time)| move || time(runtime));
    let starts = measure(500, starts);
    let lives = each_start!(time_life).map(|(_, time)| move || time(runtime));
    let lives = measure(500, lives);

    println!("### Uncontended start\n");
    let (a, life_a) = (&starts[2], &lives[2]);
    let rows = names
        .iter()
        .zip(&starts)
        .zip(&lives)
        .map(|((name, start), life)| {
            [
                (*name).to_owned(),
                number(start.median()),
                number(start.ratio(a)),
                number(life.median()),
                number(life.ratio(life_a)),
            ]
        });
    print(
        ["start", "ns", "× (a)", "ns, with its end", "× (a)"],
        rows.collect(),
    );
}

/// From the call to the end of the first poll.
fn time_start<C: Contestant>(runtime: &Runtime) -> f64 {
    let mut batch = Batch::<C>::new(STARTS);
    runtime.block_on(async {
        let time = per(STARTS, batch.start(STARTS)).await;
        assert_eq!(batch.running(), STARTS, "every start succeeds");
        batch.end(STARTS).await;
        time
    })
}

/// From the call to the end of `cancel()` and the drop of what was started.
fn time_life<C: Contestant>(runtime: &Runtime) -> f64 {
    let mut batch = Batch::<C>::new(STARTS);
    let life = async {
        batch.start(STARTS).await;
        batch.end(STARTS).await;
    };
    runtime.block_on(per(STARTS, life))
}

fn refusal() {
    let runtime = &runtime();
    let starts = each_start!(time_refusal);
    let names = starts.map(|(name, _)| name);
    let starts = starts.map(|(_, time)| move || time(runtime));
    let starts = measure(500, starts);

    println!("### Refusal\n");
    let a = &starts[2];
    let rows = names.iter().zip(&starts).skip(1).map(|(name, start)| {
        [
            (*name).to_owned(),
            number(start.median()),
            number(start.ratio(a)),
        ]
    });
    print(
        ["start under a cancelled token", "ns", "× (a)"],
        rows.collect(),
    );
}

fn time_refusal<C: Contestant>(runtime: &Runtime) -> f64 {
    let mut batch = Batch::<C>::cancelled(STARTS);
    let time = runtime.block_on(per(STARTS, batch.start(STARTS)));
    if C::NAME != starts::by_hand::Bare::NAME {
        assert_eq!(batch.running(), 0, "every start is refused");
    }
    time
}

/// Awaits in a start, per sample.
const AWAITS: usize = 100_000;

fn check() {
    println!("### Check between two awaits\n");
    println!("Nanoseconds of an unchecked await, and how many more it is with a check.\n");
    let contestants: [[_; 3]; 4] = CHECKS.map(|(_, check)| {
        let ways = [None, Some(Tokens::OneEach), Some(Tokens::OneForBoth)];
        ways.map(|tokens| {
            move || match tokens {
                None => time_check(check),
                Some(tokens) => {
                    let run = |token| (run_check(check, &token), token);
                    time_on_two(|token| token, run, tokens) / figure(AWAITS)
                }
            }
        })
    });
    let samples: [Samples; 12] = measure(150, flatten(contestants));
    let [unchecked, wrapped, token, guarded] = [0, 3, 6, 9].map(|first| &samples[first..first + 3]);
    let medians = |of: &[Samples]| [0, 1, 2].map(|way| of[way].median());
    let more = |of: &[Samples]| [0, 1, 2].map(|way| less(&of[way], &unchecked[way]).median());
    let flat = guarded[2].ratio(&guarded[1]);
    let [wrapped, token, guarded] = [wrapped, token, guarded].map(more);
    let rows = [
        ("unchecked", medians(unchecked)),
        ("with `token.is_cancelled()`: more", token),
        ("guarded: more", guarded),
        ("with a future around it that checks nothing: more", wrapped),
    ];
    let rows = rows.map(|(name, [alone, apart, together])| {
        [
            name.to_owned(),
            number(alone),
            number(apart),
            number(together),
        ]
    });
    print(
        [
            "await",
            "ns",
            "ns, 2 threads with a token each",
            "ns, 2 threads share one",
        ],
        rows.into(),
    );
    print_targets(&[
        Target(
            "guarded / `token.is_cancelled()`",
            guarded[0] / token[0],
            0.2,
        ),
        Target("guarded awaits, a token shared / a token each", flat, 1.1),
    ]);
}

/// Samples without what `base` took in the same round.
fn less(samples: &Samples, base: &Samples) -> Samples {
    let pairs = samples.0.iter().zip(&base.0);
    Samples(pairs.map(|(sample, base)| sample - base).collect())
}

/// Nanoseconds for each await of a start.
fn time_check(check: Check) -> f64 {
    let (begun, ended) = run_check(check, &CancellationToken::new());
    nanoseconds(ended - begun) / figure(AWAITS)
}

/// Twelve contestants in a row: what each does alone, on two threads, and on two that share.
fn flatten<T>(contestants: [[T; 3]; 4]) -> [T; 12] {
    let mut all = contestants.into_iter().flatten();
    std::array::from_fn(|_| all.next().expect("three times four"))
}

/// The tokens of the starts of two threads.
#[derive(Clone, Copy, PartialEq)]
enum Tokens {
    OneEach,
    OneForBoth,
}

/// When something has begun and when it has ended.
type Span = (Instant, Instant);

/// Nanoseconds of what `run` does with what `prepare` has made, on two threads at once. If one of them
/// had to wait for a processor, they are run again: so often, and not for ever.
fn time_on_two<T: Send>(
    prepare: impl Fn(CancellationToken) -> T + Copy + Send,
    run: impl Fn(T) -> (Span, T) + Copy + Send,
    tokens: Tokens,
) -> f64 {
    let mut tries = if is_bench() { 100 } else { 1 };
    loop {
        let [one, other] = run_both(prepare, run, tokens);
        let both = one.1.min(other.1).duration_since(one.0.max(other.0));
        let all = one.1.max(other.1) - one.0.min(other.0);
        tries -= 1;
        if both > all * 3 / 4 || tries == 0 {
            let time = (one.1 - one.0) + (other.1 - other.0);
            return nanoseconds(time) / 2.0;
        }
    }
}

fn run_both<T: Send>(
    prepare: impl Fn(CancellationToken) -> T + Copy + Send,
    run: impl Fn(T) -> (Span, T) + Copy + Send,
    tokens: Tokens,
) -> [Span; 2] {
    let token = CancellationToken::new();
    let other_token = match tokens {
        Tokens::OneEach => CancellationToken::new(),
        Tokens::OneForBoth => token.clone(),
    };
    let missing = &AtomicUsize::new(2);
    let run = move |token: CancellationToken| {
        let prepared = prepare(token);
        missing.fetch_sub(1, Ordering::AcqRel);
        while missing.load(Ordering::Acquire) > 0 {
            spin_loop();
        }
        run(prepared)
    };
    thread::scope(|scope| {
        let other = scope.spawn(move || run(other_token));
        // Both have ended before what they have made is dropped.
        let (one, other) = (run(token), other.join().expect("nothing panics"));
        [one.0, other.0]
    })
}

/// When it has begun and when it has ended.
fn run_check(check: Check, token: &CancellationToken) -> Span {
    let begun = Instant::now();
    assert_eq!(check(black_box(token), AWAITS), Ok(()), "nobody cancels");
    (begun, Instant::now())
}

/// Starts of each thread, per sample.
const STARTS_OF_A_THREAD: usize = 2000;

fn contention() {
    println!("### Starts on two threads\n");
    println!("Nanoseconds of a start, while another thread starts services, too.\n");
    let samples: [Samples; 6] = measure(
        150,
        [
            start_on_two::<ByHand, false>,
            start_on_two::<ByHand, true>,
            start_on_two::<Guarded, false>,
            start_on_two::<Guarded, true>,
            start_on_two::<GuardedWithChild, false>,
            start_on_two::<GuardedWithChild, true>,
        ],
    );
    let names = [ByHand::NAME, Guarded::NAME, GuardedWithChild::NAME];
    let rows = names.iter().zip(samples.chunks(2));
    let rows = rows.map(|(name, of)| {
        [
            (*name).to_owned(),
            number(of[0].median()),
            number(of[1].median()),
            number(of[1].ratio(&of[0])),
        ]
    });
    print(
        ["start", "ns, a token each", "ns, one token for both", "×"],
        rows.collect(),
    );
}

/// Nanoseconds of a start, while another thread starts as many, under the same token or another one.
fn start_on_two<C: Contestant<Service: Send>, const SHARED: bool>() -> f64 {
    let tokens = if SHARED {
        Tokens::OneForBoth
    } else {
        Tokens::OneEach
    };
    let prepare = |token| (runtime(), Batch::<C>::under(token, STARTS_OF_A_THREAD));
    let run = |(runtime, mut batch): (Runtime, Batch<C>)| {
        let begun = Instant::now();
        runtime.block_on(batch.start(STARTS_OF_A_THREAD));
        ((begun, Instant::now()), (runtime, batch))
    };
    time_on_two(prepare, run, tokens) / figure(STARTS_OF_A_THREAD)
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

fn realistic() {
    let runtime = Builder::new_current_thread().enable_io().build();
    let runtime = runtime.expect("a runtime of one thread");
    let contestants = CONTESTANTS.map(|(_, time)| {
        let runtime = &runtime;
        move || time(runtime)
    });
    let starts = measure(400, contestants);

    println!("### Realistic start\n");
    let [bare, .., guarded] = &starts;
    let rows = CONTESTANTS.iter().zip(&starts).map(|((name, _), start)| {
        [
            (*name).to_owned(),
            number(start.median()),
            number(start.ratio(bare)),
        ]
    });
    print(
        [
            "binds a listener, awaits three times, spawns a task",
            "ns",
            "×",
        ],
        rows.collect(),
    );
    print_targets(&[Target("guarded / unguarded", guarded.ratio(bare), 1.02)]);
}

/// Nanoseconds for each of `count` things that `work` does.
async fn per(count: usize, work: impl Future<Output = ()>) -> f64 {
    let begun = Instant::now();
    work.await;
    nanoseconds(begun.elapsed()) / figure(count)
}
