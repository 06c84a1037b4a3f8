//! Tasks that a body spawns: with `state`, none is let go of unless it is a part or `#[detached]`.

use std::future::{pending, ready};
use std::thread;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Flag, TestError, now};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use Lifecycle::{Running, Stopped};

/// Sets a flag when it is dropped.
struct SetsOnDrop(Flag);

impl Drop for SetsOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// A refused start drops what it serves. A detached task is not its own, and goes on.
#[tokio::test]
async fn a_detached_task_outlives_a_refused_start() {
    #[cancel_guarded(state = state)]
    async fn start(
        state: &StateCell,
        served: SetsOnDrop,
        told: oneshot::Receiver<()>,
        done: oneshot::Sender<()>,
        shutdown: CancellationToken,
    ) -> Result<(), TestError> {
        tokio::spawn(state.serve(async move {
            let _served = served;
            pending::<()>().await;
        }));
        #[detached]
        tokio::spawn(async move {
            if told.await.is_ok() {
                let _ = done.send(());
            }
        });
        pending::<()>().await;
        Ok(())
    }

    let (state, token, dropped) = (StateCell::new(), CancellationToken::new(), Flag::default());
    let (tell, told) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let served = SetsOnDrop(dropped.clone());
    let start = start(&state, served, told, done, token.clone());
    let (refused, ()) = tokio::join!(start, async { token.cancel() });
    assert_eq!(refused, Err(CANCELLED));
    assert!(dropped.is_set(), "what is served is dropped");
    tell.send(()).expect("the detached task is there");
    assert_eq!(is_done.await, Ok(()), "and goes on");
}

/// `#[detached]` on a `let`, a block and a loop.
#[tokio::test]
async fn detached_statements_of_each_kind() {
    #[cancel_guarded(state = state)]
    async fn start(state: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
        #[detached]
        let _reports = tokio::spawn(async { ready(()).await });
        #[detached]
        {
            tokio::spawn(ready(()));
        }
        #[detached]
        for _ in 0..2 {
            tokio::spawn(ready(()));
        }
        #[detached]
        if !shutdown.is_cancelled() {
            drop(tokio::task::spawn_blocking(|| ()));
        }
        Ok(())
    }

    let state = StateCell::new();
    assert_eq!(start(&state, CancellationToken::new()).await, Ok(()));
    assert_eq!(state.state(), Running);
    state.stop().await.expect("it stops");
}

/// Tasks that are parts, and handles that are kept, need no `#[detached]`.
#[tokio::test]
async fn parts_and_kept_handles_are_accepted() {
    #[cancel_guarded(state = state)]
    async fn start(
        state: &StateCell,
        kept: &mut Vec<JoinHandle<()>>,
        shutdown: CancellationToken,
    ) -> Result<JoinHandle<u32>, TestError> {
        let told = shutdown.clone();
        tokio::spawn(state.serve(async move { told.cancelled().await }));
        let clients = state.clone();
        for _ in 0..2 {
            tokio::spawn(clients.track(ready(())));
        }
        let accepts = state.serve(pending::<()>());
        let server = tokio::spawn(accepts);
        kept.push(tokio::spawn(ready(())));
        let joined = tokio::spawn(ready(3));
        let three = joined.await.map_err(|_| TestError::Own("it panicked"))?;
        // Its only await is the wait for the token.
        let told = shutdown.clone();
        tokio::spawn(async move { told.cancelled().await });
        server.abort();
        let guard = state.serve_guard();
        let worker = thread::spawn(move || drop(guard));
        worker.join().map_err(|_| TestError::Own("it panicked"))?;
        Ok(tokio::spawn(async move { three + 4 }))
    }

    let (state, mut kept) = (StateCell::new(), Vec::new());
    let started = start(&state, &mut kept, CancellationToken::new()).await;
    let handle = started.expect("it starts");
    assert_eq!(handle.await.expect("no panic"), 7);
    assert_eq!(kept.len(), 1);
}

/// Without a cell there is nothing that a task could be a part of.
#[tokio::test]
async fn without_a_state_tasks_are_free() {
    #[cancel_guarded]
    async fn start(done: oneshot::Sender<()>, shutdown: CancellationToken) -> Option<()> {
        tokio::spawn(async move { done.send(()) });
        Some(())
    }

    let (done, is_done) = oneshot::channel();
    assert_eq!(start(done, CancellationToken::new()).await, Some(()));
    assert_eq!(is_done.await, Ok(()));
}

/// A thread that serves is joined by the stop through its guard.
#[test]
fn a_thread_with_a_guard_is_a_part() {
    #[cancel_guarded(state = state)]
    fn start(
        state: &StateCell,
        shutdown: CancellationToken,
    ) -> Result<thread::JoinHandle<()>, TestError> {
        let guard = state.serve_guard();
        Ok(thread::spawn(move || {
            let token = guard.token().clone();
            futures::executor::block_on(token.cancelled());
            drop(guard);
        }))
    }

    let state = StateCell::new();
    let thread = start(&state, CancellationToken::new()).expect("it starts");
    assert!(state.request_stop());
    thread.join().expect("no panic");
    assert_eq!(state.state(), Stopped);
    assert_eq!(now(state.stopped()), Ok(()));
}
