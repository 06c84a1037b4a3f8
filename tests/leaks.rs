//! Nothing is left behind: cell, wait future and token do not keep each other alive (trap d of
//! DESIGN, section 2). Alone in its process, because it counts allocations.

use std::alloc::System;
use std::future::pending;
use std::pin::pin;

use cancel_guarded::CancellationToken;
use cancel_guarded_tests::{Service, TestError, now, poll};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// From a start under this token to where nobody knows of the service any more.
type Life = fn(&CancellationToken);

/// The bytes that `rounds` of `life` under one long-lived token leave allocated.
fn left_by(rounds: usize, life: Life) -> usize {
    let token = CancellationToken::new();
    // What grows once and stays, like the token's list of children.
    life(&token);
    let region = Region::new(GLOBAL);
    for _ in 0..rounds {
        life(&token);
    }
    let change = region.change();
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

#[test]
fn no_end_of_a_service_leaves_anything_under_its_token() {
    let cases: [(&str, Life); 7] = [
        ("running, then forgotten", |token| {
            let service = Service::new();
            now(service.start(token.clone(), async { Ok(()) })).expect("starts");
        }),
        ("running with a token of its own, then forgotten", |token| {
            let service = Service::new();
            now(service.start_seeing(token.clone(), |_| async { Ok(()) })).expect("starts");
        }),
        ("stopped", |token| {
            let service = Service::new();
            now(service.start_seeing(token.clone(), |_| async { Ok(()) })).expect("starts");
            assert!(service.state.request_stop());
        }),
        ("failed", |token| {
            let service = Service::new();
            let failed = now(service.start_seeing(token.clone(), |_| async {
                Err::<(), _>(TestError::Own("no"))
            }));
            assert!(failed.is_err());
        }),
        ("dropped while starting", |token| {
            let service = Service::new();
            let mut start =
                pin!(service.start_seeing(token.clone(), |_| pending::<Result<(), TestError>>()));
            assert!(poll(start.as_mut()).is_pending());
        }),
        ("refused at entry", |_| {
            let cancelled = CancellationToken::new();
            cancelled.cancel();
            let service = Service::new();
            let refused = now(service.start(cancelled, async { Ok(()) }));
            assert!(refused.is_err());
        }),
        (
            "running, its waiters and served futures forgotten",
            |token| {
                let service = Service::new();
                let mut wait = pin!(service.state.running());
                assert!(poll(wait.as_mut()).is_pending());
                let served = now(service.start_seeing(token.clone(), |_| async {
                    Ok(service.state.serve(pending::<()>()))
                }));
                assert!(served.is_ok());
            },
        ),
    ];
    for (case, life) in cases {
        assert_eq!(left_by(100, life), 0, "bytes left behind: {case}");
    }
}
