//! One start, closely: divan's statistics of every contestant, with its allocations.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench start [FILTER]
//! ```
//!
//! Times and allocations are those of a hundred starts, or of a thousand checks. Here the
//! contestants run one after the other, and counting allocations takes time: for ratios take
//! `ratios.rs`.

mod by_hand;
mod checks;
mod hooked;
mod starts;

use cancel_guarded::CancellationToken;
use checks::CHECKS;
use divan::{AllocProfiler, Bencher, black_box};
use starts::{Batch, Contestant, each_start};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const STARTS: usize = 100;

fn main() {
    divan::main();
}

#[divan::bench(args = names(each_start!(success_of)))]
fn success(bencher: Bencher<'_, '_>, contestant: &str) {
    find(each_start!(success_of), contestant)(bencher);
}

#[divan::bench(args = names(each_start!(success_and_end_of)))]
fn success_and_end(bencher: Bencher<'_, '_>, contestant: &str) {
    find(each_start!(success_and_end_of), contestant)(bencher);
}

#[divan::bench(args = names(each_start!(refusal_of)))]
fn refusal(bencher: Bencher<'_, '_>, contestant: &str) {
    find(each_start!(refusal_of), contestant)(bencher);
}

#[divan::bench(args = names(CHECKS), threads = [1, 2])]
fn check(bencher: Bencher<'_, '_>, contestant: &str) {
    let check = find(CHECKS, contestant);
    let token = CancellationToken::new();
    bencher.bench(|| check(black_box(&token), 1000));
}

fn names<T, const N: usize>(contestants: [(&'static str, T); N]) -> [&'static str; N] {
    contestants.map(|(name, _)| name)
}

fn find<T, const N: usize>(contestants: [(&str, T); N], name: &str) -> T {
    let found = contestants.into_iter().find(|(other, _)| *other == name);
    found.expect("divan passes one of the names").1
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("a runtime of one thread")
}

fn success_of<C: Contestant>(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let mut trial = Batch::<C>::new(STARTS);
    runtime.block_on(trial.start(STARTS));
    assert_eq!(trial.running(), STARTS, "every start succeeds");
    bencher
        .with_inputs(|| Batch::<C>::new(STARTS))
        .bench_local_refs(|batch| runtime.block_on(batch.start(STARTS)));
}

fn success_and_end_of<C: Contestant>(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .with_inputs(|| Batch::<C>::new(STARTS))
        .bench_local_refs(|batch| {
            runtime.block_on(async {
                batch.start(STARTS).await;
                batch.end(STARTS).await;
            });
        });
}

fn refusal_of<C: Contestant>(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher
        .with_inputs(|| Batch::<C>::cancelled(STARTS))
        .bench_local_refs(|batch| runtime.block_on(batch.start(STARTS)));
}
