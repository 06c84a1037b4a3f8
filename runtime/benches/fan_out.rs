//! The cost of `cancel()` for each of the services under a token, beside bare waiters.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench fan_out
//! ```
//!
//! A bare waiter is a future of `cancelled()` that has been polled. A starting service is
//! suspended in its body: the guard moves its cell and wakes its task. A running one has
//! published: its cell is moved, and there is no task to wake.
//!
//! They are tokio's tasks, as in an application: waking one puts it on the queue of its runtime
//! (of one thread, from within, where that is cheapest). A state that is moved by hand moves after
//! `cancel()`, when the task has its turn; so the time until then is taken, too. The last table
//! has wakers that store a flag and do nothing else, so that all that the guard adds is seen.

mod by_hand;
mod crowd;
mod hooked;
mod side_by_side;
mod table;

use std::iter;
use std::time::{Duration, Instant};

use cancel_guarded::CancellationToken;
use crowd::{CROWDS, Join, Polled, Service, of};
use side_by_side::{Samples, measure};
use table::{figure, number, print};
use tokio::runtime::Builder;
use tokio::task::yield_now;

/// How the services of a sample are spread over tokens.
struct Shape {
    name: &'static str,
    /// Tokens that are cancelled one after the other.
    tokens: usize,
    /// Child tokens of each, which have the services. If there are none, the token itself has.
    children: usize,
    /// Services on one token.
    services: usize,
    rounds: usize,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "1",
        tokens: 1000,
        children: 0,
        services: 1,
        rounds: 100,
    },
    Shape {
        name: "1000",
        tokens: 1,
        children: 0,
        services: 1000,
        rounds: 100,
    },
    Shape {
        name: "100,000",
        tokens: 1,
        children: 0,
        services: 100_000,
        rounds: 15,
    },
    Shape {
        name: "100 child tokens with 1000 each",
        tokens: 1,
        children: 100,
        services: 1000,
        rounds: 15,
    },
];

/// The samples of all crowds in one shape.
type Crowds = [Samples; CROWDS.len()];

/// Does the work that a sample measures, and returns its time.
type Cancel = fn(&[CancellationToken], Vec<Service>) -> Duration;

fn main() {
    println!("### Fan-out: `cancel()`\n");
    println!("Nanoseconds for each service, and × a bare waiter.\n");
    let shapes = compare(as_tasks, bare);
    print_ratios(&shapes, of::WAITERS, of::WAITERS);

    let [_, thousand, many, _] = &shapes;
    println!(
        "On paper: `cancel()` of one token with a million running services takes {} ms in one \
         go. Spread over a thousand child tokens, each of these can be cancelled for itself, in \
         {} µs; to cancel their parent takes as long as before.\n",
        number(many[of::GUARDED_RUNNING].median()),
        number(thousand[of::GUARDED_RUNNING].median())
    );

    println!("### Fan-out: `cancel()`, until every state has moved\n");
    println!(
        "Nanoseconds for each service, and × by hand: `cancel()`, and then a turn of every task \
         that it woke. A start ends in it, and a watcher by hand moves the state.\n"
    );
    let shapes = compare(as_tasks_with_their_turn, by_hand);
    print_ratios(&shapes, of::BY_HAND_STARTING, of::BY_HAND_RUNNING);

    println!("### Fan-out: `cancel()`, wakers that only store a flag\n");
    println!("Nanoseconds for each service, and × a bare waiter.\n");
    compare(as_flags, bare);
}

/// The bare waiters that a crowd is compared with.
fn bare(crowd: usize) -> usize {
    if crowd < of::WAITERS_OF_CHILDREN {
        of::WAITERS
    } else {
        of::WAITERS_OF_CHILDREN
    }
}

/// The contestant that does the same by hand.
fn by_hand(crowd: usize) -> usize {
    match crowd {
        of::WAITERS | of::WAITERS_OF_CHILDREN => of::WAITERS,
        of::BY_HAND_RUNNING
        | of::HOOKED_RUNNING
        | of::GUARDED_RUNNING
        | of::GUARDED_RUNNING_WITH_CHILD => of::BY_HAND_RUNNING,
        _ => of::BY_HAND_STARTING,
    }
}

/// Starting services beside crowd `to_starting`, and running ones beside `to_running`.
fn print_ratios(shapes: &[Crowds; SHAPES.len()], to_starting: usize, to_running: usize) {
    let [_one, thousand, many, _tree] = shapes;
    let growth = |crowd: usize| many[crowd].median() / thousand[crowd].median();
    println!(
        "The hook alone, the least that moves a state inside of `cancel()`, takes × {} starting, and \
         × {} running, with 1000 services; so of what the guard takes, × {} and × {} are its own.\n",
        number(thousand[of::HOOKED_STARTING].ratio(&thousand[to_starting])),
        number(thousand[of::HOOKED_RUNNING].ratio(&thousand[to_running])),
        number(thousand[of::GUARDED_STARTING].ratio(&thousand[of::HOOKED_STARTING])),
        number(thousand[of::GUARDED_RUNNING].ratio(&thousand[of::HOOKED_RUNNING])),
    );
    println!(
        "From 1000 to 100,000 guarded services take × {} starting and × {} running, and those that \
         they are compared with × {} and × {}: that much is due to the caches.\n",
        number(growth(of::GUARDED_STARTING)),
        number(growth(of::GUARDED_RUNNING)),
        number(growth(to_starting)),
        number(growth(to_running))
    );
}

fn compare(cancel: Cancel, compared_with: fn(usize) -> usize) -> [Crowds; SHAPES.len()] {
    let shapes = SHAPES.each_ref().map(|shape| {
        let crowds = CROWDS.map(|(_, join)| {
            move || {
                let (tokens, services) = crowd(join, shape);
                let count = figure(services.len());
                cancel(&tokens, services).as_secs_f64() * 1e9 / count
            }
        });
        measure(shape.rounds, crowds)
    });

    let rows = (0..CROWDS.len()).map(|crowd| {
        let [one, thousand, many, tree] = shapes.each_ref().map(|shape| {
            let median = number(shape[crowd].median());
            let ratio = shape[crowd].ratio(&shape[compared_with(crowd)]);
            format!("{median} (× {})", number(ratio))
        });
        [CROWDS[crowd].0.to_owned(), one, thousand, many, tree]
    });
    let [one, thousand, many, tree] = SHAPES.each_ref().map(|shape| shape.name);
    print(
        ["services on the token", one, thousand, many, tree],
        rows.collect(),
    );
    shapes
}

/// The tokens to cancel, and the services under them.
fn crowd(join: Join, shape: &Shape) -> (Vec<CancellationToken>, Vec<Service>) {
    let tokens: Vec<_> = iter::repeat_with(CancellationToken::new)
        .take(shape.tokens)
        .collect();
    let leaves = tokens.iter().flat_map(|token| match shape.children {
        0 => vec![token.clone()],
        children => iter::repeat_with(|| token.child_token())
            .take(children)
            .collect(),
    });
    let services = leaves
        .flat_map(|token| iter::repeat_with(move || join(&token)).take(shape.services))
        .collect();
    (tokens, services)
}

fn as_flags(tokens: &[CancellationToken], services: Vec<Service>) -> Duration {
    let services: Vec<_> = services.into_iter().map(Polled::new).collect();
    let time = cancel(tokens);
    assert!(
        services.iter().all(Polled::is_reached),
        "`cancel()` reaches every service before it returns",
    );
    time
}

fn as_tasks(tokens: &[CancellationToken], services: Vec<Service>) -> Duration {
    time_as_tasks(tokens, services)[0]
}

fn as_tasks_with_their_turn(tokens: &[CancellationToken], services: Vec<Service>) -> Duration {
    time_as_tasks(tokens, services)[1]
}

/// The time of `cancel()`, and the time until every task has had its turn.
fn time_as_tasks(tokens: &[CancellationToken], services: Vec<Service>) -> [Duration; 2] {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread");
    runtime.block_on(async {
        let services: Vec<_> = services
            .into_iter()
            .map(|service| (tokio::spawn(service.future), service.state))
            .collect();
        every_task_has_its_turn(services.len()).await;

        let begun = Instant::now();
        let time = cancel(tokens);
        every_task_has_its_turn(services.len()).await;
        let times = [time, begun.elapsed()];

        for (task, state) in services {
            assert!(!state.is_running(), "`cancel()` leaves nothing running");
            task.await.expect("nothing panics");
        }
        times
    })
}

/// Tokio polls a good sixty tasks between two turns of this one.
async fn every_task_has_its_turn(tasks: usize) {
    for _ in (0..tasks).step_by(60) {
        yield_now().await;
    }
}

fn cancel(tokens: &[CancellationToken]) -> Duration {
    let begun = Instant::now();
    for token in tokens {
        token.cancel();
    }
    begun.elapsed()
}
