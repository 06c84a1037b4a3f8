//! Shows that `.ci/tsan` finds a race, built with the very flags of the tests: `race` must be
//! reported, `sound` must not.

use std::cell::UnsafeCell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Shared between threads, and written without any synchronization.
struct Racy(UnsafeCell<u64>);

// SAFETY: none, on purpose: two threads write without synchronization, and the sanitizer has to report
// it. Nothing else proves that the sanitizer works.
unsafe impl Sync for Racy {}

impl Racy {
    fn write(&self) {
        // SAFETY: none, on purpose: this write is the race that has to be reported.
        unsafe { *self.0.get() += 1 };
    }
}

fn race() {
    let shared = (Racy(UnsafeCell::new(0)), AtomicUsize::new(0));
    let write = || {
        // Both are here before either writes. Relaxed, so that this orders nothing.
        shared.1.fetch_add(1, Relaxed);
        while shared.1.load(Relaxed) < 2 {
            thread::yield_now();
        }
        for _ in 0..1_000 {
            shared.0.write();
        }
    };
    thread::scope(|scope| {
        scope.spawn(write);
        scope.spawn(write);
    });
}

/// What the sanitizer has to be told of: a lock that is waited for, a condition variable, and an
/// `Arc` whose last owner drops what another one wrote.
fn sound() {
    for _ in 0..100 {
        let shared = Arc::new((Mutex::new(0_u64), Condvar::new(), Racy(UnsafeCell::new(0))));
        let writers = [false, true].map(|with_timeout| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (turns, changed, behind) = &*shared;
                for _ in 0..100 {
                    let mut turn = turns.lock().expect("not poisoned");
                    behind.write();
                    *turn += 1;
                    changed.notify_one();
                    // Any other thread that wants the lock now has to wait for it.
                    thread::yield_now();
                    drop(turn);
                }
                let mut turn = turns.lock().expect("not poisoned");
                while *turn < 200 {
                    behind.write();
                    turn = if with_timeout {
                        let waited = changed.wait_timeout(turn, Duration::from_secs(60));
                        waited.expect("not poisoned").0
                    } else {
                        changed.wait(turn).expect("not poisoned")
                    };
                }
                changed.notify_one();
            })
        });
        drop(shared);
        for writer in writers {
            writer.join().expect("no panic");
        }
    }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("race") => race(),
        Some("sound") => sound(),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
