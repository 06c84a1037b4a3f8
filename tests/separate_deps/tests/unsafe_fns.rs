//! `unsafe` start functions: their bodies and callers need `unsafe` blocks, as without the
//! attribute.
//!
//! The only `unsafe` code of the workspace, because it is what is tested. The other packages forbid
//! it by a lint that no test could lift, hence this package. (`.ci/tsan.rs` is no member of the
//! workspace, and has a data race on purpose.)

use cancel_guarded_tests::{CANCELLED, TestError, now};
use guard::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio_test::{assert_pending, assert_ready, task};

/// Reads the value of a pointer after `until` is ready.
///
/// # Safety
///
/// The pointer must be valid as long as the future lives.
#[cancel_guarded(state = cell, crate = guard)]
async unsafe fn reads(
    cell: &StateCell,
    shutdown: CancellationToken,
    until: impl Future<Output = ()>,
    pointer: *const u32,
) -> Result<u32, TestError> {
    until.await;
    // SAFETY: the caller guarantees it.
    let value = unsafe { *pointer };
    // SAFETY: the caller guarantees it.
    Ok(value.min(unsafe { read(pointer).await }))
}

async unsafe fn read(pointer: *const u32) -> u32 {
    std::future::ready(()).await;
    // SAFETY: the caller guarantees that it is valid.
    unsafe { *pointer }
}

struct Service(StateCell);

trait Reads {
    /// # Safety
    ///
    /// See [`reads`].
    async unsafe fn read(&self, shutdown: CancellationToken, pointer: *const u32) -> Option<u32>;
}

impl Reads for Service {
    #[cancel_guarded(state = self.0, crate = guard)]
    async unsafe fn read(&self, shutdown: CancellationToken, pointer: *const u32) -> Option<u32> {
        // SAFETY: the caller guarantees it.
        Some(std::future::ready(unsafe { *pointer }).await)
    }
}

#[test]
fn an_unsafe_fn_is_guarded() {
    let value = 7;
    let (cell, token) = (StateCell::new(), CancellationToken::new());
    // SAFETY: the value outlives the future.
    let mut start = task::spawn(unsafe {
        reads(
            &cell,
            token.clone(),
            std::future::pending(),
            &raw const value,
        )
    });
    assert_pending!(start.poll());
    token.cancel();
    assert_eq!(assert_ready!(start.poll()), Err(CANCELLED));
    assert_eq!(cell.state(), Lifecycle::Failed);

    let cell = StateCell::new();
    // SAFETY: the value outlives the future.
    let refused = now(unsafe { reads(&cell, token, async {}, &raw const value) });
    assert_eq!(refused, Err(CANCELLED));
    let cell = StateCell::new();
    // SAFETY: the value outlives the future.
    let started =
        now(unsafe { reads(&cell, CancellationToken::new(), async {}, &raw const value) });
    assert_eq!(started, Ok(7));
    assert!(cell.is_running());
}

#[test]
fn an_unsafe_method_is_guarded() {
    let value = 7;
    let service = Service(StateCell::new());
    // SAFETY: the value outlives the future.
    let started = now(unsafe { service.read(CancellationToken::new(), &raw const value) });
    assert_eq!(started, Some(7));
    assert!(service.0.is_running());
}
