//! What the guard takes: bytes of a start's future, bytes of a cell, allocations of a start.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench size
//! ```
//!
//! Bytes on the heap are those asked of the allocator, without its own. These figures are exact:
//! no run differs from another.

mod by_hand;
mod crowd;
mod hooked;
mod starts;
mod table;

use std::alloc::System;
use std::future::ready;
use std::hint::black_box;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use crowd::{CROWDS, Join, Polled, of};
use starts::{Batch, Contestant, each_start};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use table::{Target, figure, number, print, print_targets};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    future();
    cell();
    allocations();
    crowds();
}

/// What the allocator was asked for meanwhile.
fn allocated<T>(work: impl FnOnce() -> T) -> (T, Stats) {
    let region = Region::new(ALLOCATOR);
    let value = black_box(work());
    (value, region.change())
}

/// Bytes that are still there.
fn live(stats: Stats) -> f64 {
    figure(stats.bytes_allocated) - figure(stats.bytes_deallocated)
}

/// A body that keeps so many bytes across an await.
async fn keep<const N: usize>() {
    let kept = [0_u8; N];
    ready(()).await;
    black_box(kept);
}

async fn bare<const N: usize>(
    _state: &StateCell,
    _token: &CancellationToken,
) -> Result<(), StartError> {
    keep::<N>().await;
    Ok(())
}

#[cancel_guarded(state = state)]
async fn guarded<const N: usize>(
    state: &StateCell,
    token: &CancellationToken,
) -> Result<(), StartError> {
    keep::<N>().await;
    Ok(())
}

#[cancel_guarded(state = state)]
async fn with_child<const N: usize>(
    state: &StateCell,
    token: CancellationToken,
) -> Result<(), StartError> {
    keep::<N>().await;
    drop(token);
    Ok(())
}

async fn bare_by_value<const N: usize>(
    _state: &StateCell,
    token: CancellationToken,
) -> Result<(), StartError> {
    keep::<N>().await;
    drop(token);
    Ok(())
}

fn future() {
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    let sizes = [
        (
            "body of 16 bytes",
            size_of_val(&bare::<16>(&cell, &token)),
            size_of_val(&guarded::<16>(&cell, &token)),
        ),
        (
            "body of 1024 bytes",
            size_of_val(&bare::<1024>(&cell, &token)),
            size_of_val(&guarded::<1024>(&cell, &token)),
        ),
        (
            "body of 1024 bytes that uses its token",
            size_of_val(&bare_by_value::<1024>(&cell, token.clone())),
            size_of_val(&with_child::<1024>(&cell, token.clone())),
        ),
    ];

    println!("### Bytes of a start's future\n");
    let rows = sizes.map(|(name, bare, guarded)| {
        [
            name.to_owned(),
            bare.to_string(),
            guarded.to_string(),
            (guarded - bare).to_string(),
        ]
    });
    print(["future", "bare", "guarded", "added"], rows.into());
}

fn cell() {
    let token = CancellationToken::new();
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread");
    // What is made once and for all is made here.
    let start = |cell: &StateCell| {
        let started = runtime.block_on(guarded::<16>(cell, &token));
        assert_eq!(started, Ok(()), "nobody cancels");
    };
    start(&StateCell::new());

    let (cell, new) = allocated(StateCell::<cancel_guarded::Lifecycle>::new);
    let ((), running) = allocated(|| start(&cell));
    let ((), stopped) = allocated(|| {
        cell.request_stop();
        let state = cell.state();
        assert_eq!(state, cancel_guarded::Lifecycle::Stopped, "no part is left");
    });
    let at_rest = live(new);
    let running = at_rest + live(running);
    let stopped = running + live(stopped);

    println!("### Bytes of a cell\n");
    println!("On the heap, with the header of its `Arc`. A handle is one pointer beside it.\n");
    let rows = [("new", at_rest), ("running", running), ("stopped", stopped)];
    print(
        ["cell", "bytes"],
        rows.map(|(name, bytes)| [name.to_owned(), bytes.to_string()])
            .into(),
    );
    print_targets(&[
        Target("bytes at rest", at_rest, 96.0),
        Target("bytes at rest, when stopped", stopped, 96.0),
    ]);
}

fn allocations() {
    let starts = each_start!(allocations_of).map(|(name, count)| (name, count(false), count(true)));

    println!("### Allocations of a start\n");
    let rows =
        starts.map(|(name, count, refused)| [name.to_owned(), number(count), number(refused)]);
    print(["start", "allocations", "refused"], rows.into());
    let [.., (_, guarded, _), (_, by_value, _), (_, with_child, _)] = starts;
    print_targets(&[
        Target("guarded", guarded, 2.0),
        Target("guarded, token by value", by_value, 2.0),
        Target("guarded, token used by the body", with_child, 3.0),
    ]);
}

/// As the difference of two runs, without what they have in common: a token allocates the list
/// of its children once.
fn allocations_of<C: Contestant>(is_refused: bool) -> f64 {
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime of one thread");
    let [few, many] = [60, 360].map(|count| {
        let mut batch = if is_refused {
            Batch::<C>::cancelled(count)
        } else {
            Batch::<C>::new(count)
        };
        let ((), stats) = allocated(|| runtime.block_on(batch.start(count)));
        if !is_refused {
            assert_eq!(batch.running(), count, "every start succeeds");
        }
        runtime.block_on(batch.end(count));
        figure(stats.allocations)
    });
    (many - few) / 300.0
}

fn crowds() {
    let bytes = CROWDS.map(|(_, join)| [1000, 100_000].map(|services| bytes_of(join, services)));

    println!("### Fan-out: bytes for each service\n");
    println!(
        "On the heap: its future unless it is running, its cell, and what ties it to the token.\n"
    );
    let rows = CROWDS
        .iter()
        .zip(&bytes)
        .map(|((name, _), [thousand, many])| {
            [(*name).to_owned(), number(*thousand), number(*many)]
        });
    print(["services on the token", "1000", "100,000"], rows.collect());
    let (starting, running) = (bytes[of::GUARDED_STARTING], bytes[of::GUARDED_RUNNING]);
    print_targets(&[
        Target(
            "guarded, starting, 100,000 / 1000",
            starting[1] / starting[0],
            1.01,
        ),
        Target(
            "guarded, running, 100,000 / 1000",
            running[1] / running[0],
            1.01,
        ),
    ]);
    println!(
        "On paper: a million running services take {} MB.\n",
        number(running[1])
    );
}

fn bytes_of(join: Join, services: usize) -> f64 {
    let token = CancellationToken::new();
    let mut crowd = Vec::with_capacity(services);
    let ((), stats) = allocated(|| crowd.extend((0..services).map(|_| Polled::new(join(&token)))));
    token.cancel();
    assert!(
        crowd.iter().all(Polled::is_reached),
        "`cancel()` reaches every service before it returns",
    );
    live(stats) / figure(services)
}
