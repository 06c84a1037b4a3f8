//! Mistakes that a guard of this kind can make, one test each. The letters are those of the list in
//! `ARCHITECTURE.md`.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;
use std::thread;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{
    CANCELLED, Gate, Log, PanicsOnDrop, Remnant, Service, TestError, not_startable, now, on_wake,
    panic_message, pending_with, running_service,
};
use tokio_test::{assert_pending, assert_ready, task};

/// a: the hook does nothing until its own start has won the cell.
#[test]
fn a_cancel_of_a_loser_changes_nothing() {
    for round in 0..2000 {
        let service = Service::new();
        let losing = CancellationToken::new();
        let gate = Gate::for_threads(3);
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| {
                gate.pass();
                now(service.start(CancellationToken::new(), async { Ok(()) }))
            });
            let second = scope.spawn(|| {
                gate.pass();
                now(service.start(losing.clone(), async { Ok(()) }))
            });
            gate.pass();
            losing.cancel();
            (first.join(), second.join())
        });
        let first = first.expect("no panic");
        let second = second.expect("no panic");
        match first {
            Ok(()) => assert!(second.is_err(), "round {round}: one attempt, {second:?}"),
            Err(TestError::Refused(StartError::NotStartable { .. })) => {}
            Err(error) => panic!("round {round}: {error} although the first was not cancelled"),
        }
    }
}

type Starting = Pin<Box<dyn Future<Output = Result<(), TestError>> + Send>>;

/// b: a wake arrives after its attempt has ended, while the next one is under way.
#[test]
fn b_a_late_wake_changes_nothing() {
    let service = Service::new();
    let token = CancellationToken::new();
    let first: Mutex<Option<task::Spawn<Starting>>> = Mutex::default();
    let second = Mutex::new(None);

    thread::scope(|_| {
        let service = service.clone();
        let first = std::sync::Arc::new(first);
        let second = std::sync::Arc::new(second);
        // This waker is registered before the start, so it is woken before the hook. By then the
        // hook's waker has left the token's list, in the same batch.
        let earlier = on_wake({
            let (service, first, second) = (service.clone(), first.clone(), second.clone());
            move || {
                drop(first.lock().expect("not poisoned").take());
                assert_eq!(
                    service.state.state(),
                    Lifecycle::Failed,
                    "attempt 1 is over"
                );
                let service = service.clone();
                let mut restart = task::spawn(async move {
                    service
                        .restart::<()>(CancellationToken::new(), pending())
                        .await
                });
                assert_pending!(restart.poll());
                *second.lock().expect("not poisoned") = Some(restart);
            }
        });
        let _wait = pending_with(&earlier, token.cancelled());

        let start: Starting = Box::pin({
            let (service, token) = (service.clone(), token.clone());
            async move { service.start::<()>(token, pending()).await }
        });
        let mut start = task::spawn(start);
        assert_pending!(start.poll());
        *first.lock().expect("not poisoned") = Some(start);

        token.cancel();
        let mut restart = second
            .lock()
            .expect("not poisoned")
            .take()
            .expect("attempt 2 has begun inside cancel()");
        assert_pending!(restart.poll(), "attempt 2 was not told to end");
        assert_eq!(service.state.state(), Lifecycle::Starting);
    });
}

/// c: the hook is woken before the waiters that the body registers with its token.
#[test]
fn c_the_cell_moves_before_the_bodys_waiters_wake() {
    let service = Service::new();
    let token = CancellationToken::new();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        move || seen.push(cell.state())
    });
    let child = now(service.start_seeing(token.clone(), |shutdown| async { Ok(shutdown) }))
        .expect("an empty body starts");
    let _wait = pending_with(&waker, child.cancelled());
    token.cancel();
    assert_eq!(seen.all(), [Lifecycle::Stopping], "the cell moved first");
}

/// c: the cause is recorded before the body's token is cancelled.
#[test]
fn c_the_attempts_own_cancel_is_not_the_cause() {
    let service = Service::new();
    let seen = Log::default();
    let failed = now(service.start_seeing(CancellationToken::new(), |shutdown| {
        seen.push(shutdown);
        async { Err::<(), _>(TestError::Own("no")) }
    }));
    assert_eq!(failed, Err(TestError::Own("no")));
    assert!(
        seen.all()[0].is_cancelled(),
        "the body's token is cancelled"
    );
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error, "and not Cancelled");
}

// d, the reference cycle of cell, wait and token, is tested in `leaks.rs`.

/// e: the hook moves the cell before it wakes a waiter.
#[test]
fn e_the_cell_moves_before_waiters_wake() {
    let (service, token) = running_service();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        move || seen.push(cell.state())
    });
    let stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(seen.all(), [Lifecycle::Stopping]);
    assert_eq!(now(stopping), Lifecycle::Stopping);
}

/// e: the hook wakes waiters without holding the lock: a waker may call methods that take it.
#[test]
fn e_waiters_wake_outside_of_the_lock() {
    let (service, token) = running_service();
    let seen = Log::default();
    let waker = on_wake({
        let (cell, seen) = (service.state.clone(), seen.clone());
        // Under the lock this call would deadlock.
        move || seen.push(cell.failure())
    });
    let _stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(seen.all(), [None]);
}

/// e: the payload of a panicking waker may panic in its drop.
#[test]
fn e_a_payload_that_panics_in_drop_is_caught() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(thread::panicking(), "dropped");
        }
    }

    let (service, token) = running_service();
    let waker = on_wake(|| std::panic::panic_any(Bomb));
    let _stopping = pending_with(
        &waker,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    token.cancel();
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

/// e: a panic in a waiter's waker does not leave the hook, and the other waiters are woken.
#[test]
fn e_a_panicking_waker_is_caught() {
    let (service, token) = running_service();
    let panicking = on_wake(|| panic!("a bad waker"));
    let _first = pending_with(
        &panicking,
        service.state.wait_for(|state| state == Lifecycle::Stopping),
    );
    let mut second = task::spawn(service.state.wait_for(|state| state == Lifecycle::Stopping));
    assert_pending!(second.poll());

    assert_eq!(panic_message(|| token.cancel()), None, "cancel() returns");
    assert!(second.is_woken(), "the next waiter was woken");
    assert_eq!(service.state.state(), Lifecycle::Stopping);
}

/// f: the start reads its state after every poll of the body, too.
#[test]
fn f_a_body_that_cancels_and_waits_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(service.start::<()>(token.clone(), async {
        token.cancel();
        pending().await
    }));
    assert_eq!(refused, Err(CANCELLED));
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// f: a cancel of the token that the body sees refuses the start at once.
#[test]
fn f_a_body_that_cancels_its_token_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let refused = now(
        service.start_seeing::<(), _>(token.clone(), |shutdown| async move {
            shutdown.cancel();
            pending().await
        }),
    );
    assert_eq!(refused, Err(CANCELLED));
    assert!(!token.is_cancelled(), "it stops this service only");
}

/// g: `FAILED` is published although the drop of the body panics.
#[test]
fn g_a_body_that_panics_in_drop_ends() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start::<()>(token.clone(), async {
        let _remnant = PanicsOnDrop;
        pending().await
    }));
    assert_pending!(start.poll());
    token.cancel();
    let message = panic_message(|| {
        let _ = start.poll();
    });
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled, "the first cause");
}

/// g: `FAILED` is published although the drop of a dropped start panics.
#[test]
fn g_a_dropped_start_that_panics_ends() {
    let service = Service::new();
    let mut start = task::spawn(service.start::<()>(CancellationToken::new(), async {
        let _remnant = PanicsOnDrop;
        pending().await
    }));
    assert_pending!(start.poll());
    let message = panic_message(move || drop(start));
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// g: `FAILED` is published although the drop of the refused value panics.
#[test]
fn g_a_value_that_panics_in_drop_ends() {
    let service = Service::new();
    let token = CancellationToken::new();
    let message = panic_message(|| {
        let _ = now(service.start(token.clone(), async {
            token.cancel();
            Ok(PanicsOnDrop)
        }));
    });
    assert_eq!(message.as_deref(), Some("dropped"), "the panic goes on");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// h: parameters that the body does not name are dropped before `FAILED`.
struct Unnamed {
    state: StateCell,
}

impl Unnamed {
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        #[expect(unused_variables, reason = "the parameter is unused on purpose")] unnamed: Remnant,
        _underscored: Remnant,
        _: Remnant,
        (_half, other): (Remnant, Remnant),
        mut changed: Option<Remnant>,
    ) -> Result<(), StartError> {
        let _ = &other;
        changed = changed.take();
        pending::<()>().await;
        drop(changed);
        Ok(())
    }
}

type Refusable<'a> = Pin<Box<dyn Future<Output = Result<(), StartError>> + 'a>>;

fn remnants_of_a_start(
    end: impl FnOnce(&CancellationToken, &mut task::Spawn<Refusable<'_>>),
) -> Vec<Lifecycle> {
    let service = Unnamed {
        state: StateCell::new(),
    };
    let token = CancellationToken::new();
    let seen = Log::default();
    let remnant = || Remnant::of(&service.state, &seen);
    let start: Refusable<'_> = Box::pin(service.start(
        token.clone(),
        remnant(),
        remnant(),
        remnant(),
        (remnant(), remnant()),
        Some(remnant()),
    ));
    let mut start = task::spawn(start);
    end(&token, &mut start);
    assert_eq!(service.state.state(), Lifecycle::Failed);
    seen.all()
}

#[test]
fn h_unnamed_parameters_drop_before_failed() {
    let seen = remnants_of_a_start(|token, start| {
        assert_pending!(start.poll());
        token.cancel();
        assert_eq!(start.poll(), Poll::Ready(Err(StartError::Cancelled)));
    });
    assert_eq!(seen, [Lifecycle::Starting; 6], "each dropped before FAILED");
}

#[test]
fn h_parameters_drop_before_a_refusal_at_entry() {
    let seen = remnants_of_a_start(|token, start| {
        token.cancel();
        assert_eq!(start.poll(), Poll::Ready(Err(StartError::Cancelled)));
    });
    assert_eq!(seen, [Lifecycle::Created; 6], "each dropped before FAILED");
}

/// h: a receiver by value is dropped before `FAILED`, although the body names one field only.
struct ByValue {
    state: StateCell,
    name: String,
    _remnant: Remnant,
}

impl ByValue {
    #[cancel_guarded(state = self.state)]
    async fn start(self, shutdown: CancellationToken) -> Result<(), StartError> {
        let _name = &self.name;
        pending::<()>().await;
        Ok(())
    }
}

#[test]
fn h_a_receiver_by_value_drops_before_failed() {
    let (state, seen) = (StateCell::new(), Log::default());
    let service = ByValue {
        state: state.clone(),
        name: String::from("whole"),
        _remnant: Remnant::of(&state, &seen),
    };
    let token = CancellationToken::new();
    let mut start = task::spawn(service.start(token.clone()));
    assert_pending!(start.poll());
    token.cancel();
    assert!(start.poll().is_ready());
    assert_eq!(seen.all(), [Lifecycle::Starting], "dropped before FAILED");
}

/// A second start while the first one ends changes neither.
#[test]
fn second_start_while_the_first_ends_is_refused() {
    let service = Service::new();
    let token = CancellationToken::new();
    let mut first = task::spawn(service.start::<()>(token.clone(), pending()));
    assert_pending!(first.poll());
    token.cancel();
    let second = now(service.restart::<()>(token.clone(), async { Ok(()) }));
    assert_eq!(second, Err(not_startable("Starting")));
    assert_eq!(assert_ready!(first.poll()), Err(CANCELLED));
}
