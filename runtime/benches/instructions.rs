//! The cost of a guarded start in instructions: a figure that does not depend on the machine's
//! speed or on what else it does. Needs valgrind.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench instructions
//! ```
//!
//! Runs itself under valgrind's callgrind, twice for each contestant: with few starts and with
//! many, out of equally many prepared ones. The difference is what the starts took, and nothing
//! else. What the kernel does is not counted.
//!
//! A harness like gungraun would do the same, but needs a second program of the same version to
//! be installed, a newer compiler than these libraries, and thirty more packages in the lock file.

mod by_hand;
mod checks;
mod hooked;
mod starts;
mod table;

use std::env;
use std::future::pending;
use std::hint::black_box;
use std::io::ErrorKind;
use std::mem::forget;
use std::pin::Pin;
use std::process::{Command, ExitCode, exit};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use starts::{Batch, Contestant, each_start};
use table::{Target, figure, number, print, print_targets};
use tokio::runtime::Builder;
use tokio_util::sync::WaitForCancellationFutureOwned;

/// How many starts there are in the shorter run and in the longer one.
const FEW: usize = 60;
const MANY: usize = 360;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        // Under valgrind.
        ["run", what, contestant, count] => run(what, index(contestant), index(count)),
        _ if !arguments.contains(&"--bench") => ExitCode::SUCCESS,
        _ => match compare() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("instructions: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn index(argument: &str) -> usize {
    argument.parse().expect("an argument that was passed below")
}

fn run(what: &str, contestant: usize, count: usize) -> ! {
    match what {
        "start" => each_start!(start)[contestant].1(count),
        "life" => each_start!(life)[contestant].1(count),
        "refusal" => each_start!(refusal)[contestant].1(count),
        "check" => {
            let checked = checks::CHECKS[contestant].1(&CancellationToken::new(), count);
            assert_eq!(checked, Ok(()), "nobody cancels");
        }
        "part" => PARTS[contestant].1(&CancellationToken::new(), count),
        "end" => ENDS[contestant].1(count),
        _ => unreachable!("what was passed below"),
    }
    // Without a drop of what is left: that is no part of it.
    exit(0)
}

fn start<C: Contestant>(count: usize) {
    let mut batch = Batch::<C>::new(MANY);
    block_on(batch.start(count));
    assert_eq!(batch.running(), count, "every start succeeds");
    forget(batch);
}

fn life<C: Contestant>(count: usize) {
    let mut batch = Batch::<C>::new(MANY);
    block_on(async {
        batch.start(count).await;
        batch.end(count).await;
    });
    forget(batch);
}

fn refusal<C: Contestant>(count: usize) {
    let mut batch = Batch::<C>::cancelled(MANY);
    block_on(batch.start(count));
    forget(batch);
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread");
    runtime.block_on(work);
    // Its drop would end the tasks that it has left.
    forget(runtime);
}

/// So much of it, one after the other, of what a start cannot do without, or takes from others.
type Part = fn(&CancellationToken, usize);

const PARTS: [(&str, Part); 7] = [
    ("`token.is_cancelled()`", |token, count| {
        for _ in 0..count {
            black_box(token.is_cancelled());
        }
    }),
    ("a lock and unlock of a mutex", |_, count| {
        let mutex = Mutex::new(());
        for _ in 0..count {
            drop(black_box(&mutex).lock());
        }
    }),
    ("`token.clone()`", |token, count| {
        for _ in 0..count {
            forget(black_box(token.clone()));
        }
    }),
    ("`token.child_token()`", |token, count| {
        let mut children = Vec::with_capacity(MANY);
        children.extend((0..count).map(|_| token.child_token()));
        forget(children);
    }),
    ("an allocation, of a wait's size", |_, count| {
        for _ in 0..count {
            forget(black_box(Box::<Wait>::new_uninit()));
        }
    }),
    (
        "a wait: cloned token, allocation, first poll",
        |token, count| {
            let waker = Waker::from(Arc::new(Ignores));
            for _ in 0..count {
                forget(wait(token.clone(), &waker));
            }
        },
    ),
    ("the same for a child token that is kept", |token, count| {
        let waker = Waker::from(Arc::new(Ignores));
        let mut children = Vec::with_capacity(MANY);
        for _ in 0..count {
            let child = token.child_token();
            forget(wait(child.clone(), &waker));
            children.push(child);
        }
        forget(children);
    }),
];

/// So many starts that are ended, each under a token of its own.
type End = fn(usize);

const ENDS: [(&str, End); 5] = [
    ("`cancel()` of a bare waiter", |count| {
        cancel(count, |token| (Box::pin(token.cancelled_owned()), ()));
    }),
    ("`cancel()` of (a), starting", |count| {
        cancel(count, |token| {
            let state = Arc::new(by_hand::Atomic::default());
            let start = Arc::clone(&state);
            let start = async move {
                let never = pending::<Result<(), StartError>>();
                let _ = by_hand::careful(&start, &token, never).await;
            };
            (Box::pin(start), state)
        });
    }),
    ("`cancel()` of the hook alone, starting", |count| {
        cancel(count, |token| {
            let state = Arc::new(hooked::Hooked::default());
            let start = Arc::clone(&state);
            let start = async move {
                let _ = start.begin(&token);
                pending::<()>().await;
            };
            (Box::pin(start), state)
        });
    }),
    ("`cancel()` of a guarded start", |count| {
        cancel(count, |token| {
            let state = StateCell::new();
            let start = state.clone();
            let start = async move {
                let _ = never(&start, &token).await;
            };
            (Box::pin(start), state)
        });
    }),
    ("restart and stop of a guarded service", |count| {
        let (state, token) = (StateCell::new(), CancellationToken::new());
        block_on(async {
            for _ in 0..count {
                let started = again(&state, &token).await;
                assert!(started.is_ok(), "the service starts again");
                let stopped = state.transition(Lifecycle::Running, Lifecycle::Stopping);
                assert!(stopped.is_ok(), "the service runs");
            }
        });
    }),
];

#[cancel_guarded(state = state)]
async fn never(state: &StateCell, token: &CancellationToken) -> Result<(), StartError> {
    pending().await
}

#[cancel_guarded(state = state, restart)]
async fn again(state: &StateCell, token: &CancellationToken) -> Result<(), StartError> {
    black_box(Ok(()))
}

/// Cancels the token of so many starts that wait, out of equally many prepared ones.
fn cancel<T>(
    count: usize,
    start: impl Fn(CancellationToken) -> (Pin<Box<dyn Future<Output = ()>>>, T),
) {
    let [cancelled, other] = [(); 2].map(|()| CancellationToken::new());
    let token = |n| if n < count { &cancelled } else { &other };
    let mut starts: Vec<_> = (0..MANY).map(|n| start(token(n).clone())).collect();
    let waker = Waker::from(Arc::new(Ignores));
    for (start, _) in &mut starts {
        let polled = start.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "it waits");
    }
    cancelled.cancel();
    forget((starts, other));
}

type Wait = WaitForCancellationFutureOwned;

fn wait(token: CancellationToken, waker: &Waker) -> Pin<Box<Wait>> {
    let mut wait = Box::pin(token.cancelled_owned());
    let polled = wait.as_mut().poll(&mut Context::from_waker(waker));
    assert!(polled.is_pending(), "nobody cancels");
    wait
}

struct Ignores;

impl Wake for Ignores {
    fn wake(self: Arc<Self>) {}
}

fn compare() -> Result<(), String> {
    let guarded = compare_starts()?;
    tell_parts(guarded)?;
    compare_ends()?;
    compare_checks()
}

/// Returns the instructions of a guarded start, and of one whose body uses the token.
fn compare_starts() -> Result<[f64; 2], String> {
    let names = each_start!(start).map(|(name, _)| name);
    let [mut starts, mut lives, mut refusals] = [[0.0; 10]; 3];
    for contestant in 0..names.len() {
        starts[contestant] = instructions("start", contestant)?;
        lives[contestant] = instructions("life", contestant)?;
        refusals[contestant] = instructions("refusal", contestant)?;
    }
    let [_, _, a, _, b, b_with_child, _, guarded, _, with_child] = starts;
    let (life_a, refusal_a) = (lives[2], refusals[2]);

    println!("### Instructions of a start\n");
    let rows = (0..names.len()).map(|contestant| {
        let [start, life, refusal] = [starts, lives, refusals].map(|of| of[contestant]);
        [
            names[contestant].to_owned(),
            number(start),
            number(start / a),
            number(life),
            number(life / life_a),
            number(refusal),
            number(refusal / refusal_a),
        ]
    });
    print(
        [
            "start",
            "instructions",
            "× (a)",
            "with its end",
            "× (a)",
            "refused",
            "× (a)",
        ],
        rows.collect(),
    );
    print_targets(&[
        Target("guarded / (b)", guarded / b, 0.45),
        Target("guarded / (a)", guarded / a, 1.6),
        Target(
            "guarded, token used by the body / (b) with a child token",
            with_child / b_with_child,
            0.55,
        ),
    ]);
    Ok([guarded, with_child])
}

fn tell_parts([guarded, with_child]: [f64; 2]) -> Result<(), String> {
    let mut parts = [0.0; PARTS.len()];
    for (part, instructions_of_part) in parts.iter_mut().enumerate() {
        *instructions_of_part = instructions("part", part)?;
    }
    println!("The parts of it that are tokio-util's, std's and the allocator's:\n");
    let rows = PARTS.iter().zip(parts);
    let rows = rows.map(|((name, _), part)| [(*name).to_owned(), number(part)]);
    print(["part", "instructions"], rows.collect());
    let [is_cancelled, lock, clone, _, _, wait, wait_of_child] = parts;
    let others = is_cancelled + 2.0 * lock + clone + wait;
    let others_with_child = is_cancelled + 3.0 * lock + clone + wait_of_child;
    println!(
        "A guarded start makes a wait, keeps a handle to ask the token by, asks it before it \
         publishes, and locks the cell twice: {} of its {} instructions. Where the body uses the \
         token, that handle is on a child token, the body has another one, and the cell is locked \
         three times: {} of {}.\n",
        number(others),
        number(guarded),
        number(others_with_child),
        number(with_child)
    );
    Ok(())
}

fn compare_ends() -> Result<(), String> {
    println!("### Instructions of an end\n");
    let mut ends = [0.0; ENDS.len()];
    for (end, instructions_of_end) in ends.iter_mut().enumerate() {
        *instructions_of_end = instructions("end", end)?;
    }
    let rows = ENDS.iter().zip(ends);
    let rows = rows.map(|((name, _), end)| [(*name).to_owned(), number(end)]);
    print(["what ends", "instructions"], rows.collect());
    let [_, _, _, cancel, restart] = ends;
    print_targets(&[
        Target("`cancel()` of a guarded start", cancel, 240.0),
        Target("restart and stop of a guarded service", restart, 1650.0),
    ]);
    Ok(())
}

fn compare_checks() -> Result<(), String> {
    println!("### Instructions of a check between two awaits\n");
    let [base, token, guarded] = [0, 2, 3].map(|contestant| instructions("check", contestant));
    let (token, guarded) = (token? - base.clone()?, guarded? - base?);
    let rows = [("`token.is_cancelled()`", token), ("guarded", guarded)];
    print(
        ["check", "instructions", "×"],
        rows.map(|(name, check)| [name.to_owned(), number(check), number(check / token)])
            .into(),
    );
    println!(
        "Two of the token's lock and unlock its mutex: they take longer than all the others.\n"
    );
    Ok(())
}

/// Instructions for one of what a contestant does.
fn instructions(what: &str, contestant: usize) -> Result<f64, String> {
    let [few, many] = [FEW, MANY].map(|count| collect(what, contestant, count));
    Ok((many? - few?) / figure(MANY - FEW))
}

/// Instructions of one run.
fn collect(what: &str, contestant: usize, count: usize) -> Result<f64, String> {
    let program = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", what, &contestant.to_string(), &count.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "valgrind is not there: install the package `valgrind`".into(),
            _ => format!("valgrind does not run: {error}"),
        })?;
    let log = String::from_utf8_lossy(&output.stderr);
    // `==1234== Collected : 5678`
    log.lines()
        .filter(|_| output.status.success())
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .ok_or_else(|| format!("valgrind collected nothing:\n{log}"))
}
