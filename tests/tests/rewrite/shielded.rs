//! `#[shielded]`: a step runs to its end, unchecked, and the next await after it is refused.

use std::future::{pending, ready};

use cancel_guarded::{CancellationToken, Lifecycle, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, TestError, now};
use tokio_test::{assert_pending, assert_ready, task};

use crate::desk::{Desk, Returns};

use Lifecycle::{Failed, Running, Starting, Stopped, Stopping};

/// Bodies that are cancelled inside a shielded part. The part runs to its end; the next await after
/// it is refused.
macro_rules! shielded {
    ($($name:ident runs [$($line:literal),*] $desk:ident $(in $rounds:literal)? { $($body:tt)* })*) => {
        mod steps {
            use super::*;

            $(
                #[test]
                fn $name() {
                    #[cancel_guarded(state = $desk.state)]
                    async fn start($desk: Desk, shutdown: CancellationToken) -> Returns {
                        $($body)*
                    }

                    let rounds: usize = [1 $(, $rounds)?].into_iter().max().expect("one");
                    for cancelled in [false, true] {
                        let desk = Desk::default();
                        let token = CancellationToken::new();
                        let mut start = task::spawn(start(desk.clone(), token.clone()));
                        for round in 0..rounds {
                            assert_pending!(start.poll(), "round {round}");
                            if cancelled {
                                token.cancel();
                                assert_pending!(start.poll(), "round {round}: not interrupted");
                            }
                            assert_eq!(desk.state.state(), Starting);
                            desk.go_on();
                        }
                        let returned = assert_ready!(start.poll());
                        if cancelled {
                            assert_eq!(returned, Err(CANCELLED));
                            assert_eq!(desk.lines.all(), [$($line),*], "cancelled");
                            assert_eq!(desk.state.state(), Failed);
                        } else {
                            assert_eq!(returned, Ok(7));
                            assert_eq!(desk.lines.all()[..], [$($line),* , "end"][..desk.lines.all().len()]);
                            assert_eq!(desk.state.state(), Running);
                        }
                    }
                }
            )*
        }
    };
}

#[derive(Default)]
struct Numbers {
    one: u32,
    all: [u32; 2],
}

shielded! {
    a_statement runs ["done", "next"] desk {
        #[shielded]
        desk.waits(()).await;
        desk.line("next");
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_statement_with_a_question runs ["done", "next"] desk {
        #[shielded]
        desk.waits(Ok::<_, TestError>(())).await?;
        desk.line("next");
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_block runs ["done", "within", "done", "at its end"] desk in 2 {
        #[shielded]
        {
            desk.waits(()).await;
            desk.line("within");
            desk.waits(()).await;
            desk.line("at its end");
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_let runs ["done", "next"] desk {
        #[shielded]
        let seven = desk.waits(7).await;
        desk.line("next");
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_let_with_a_type runs ["done"] desk {
        #[shielded]
        let seven: u32 = desk.waits(7_u16).await.into();
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_let_with_a_question runs ["done"] desk {
        #[shielded]
        let seven = desk.waits(Ok::<_, TestError>(7)).await?;
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_let_with_else runs ["done"] desk {
        #[shielded]
        let Some(seven) = desk.waits(Some(7)).await else {
            return Err(TestError::Own("none"));
        };
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_let_with_a_block runs ["done", "done"] desk in 2 {
        #[shielded]
        let seven = {
            let three = desk.waits(3).await;
            three + desk.waits(4).await
        };
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_tail_expression runs ["done"] desk {
        #[shielded]
        desk.waits(Ok(7)).await
    }
    a_tail_block runs ["done", "within"] desk {
        #[shielded]
        {
            let seven = desk.waits(7).await;
            desk.line("within");
            Ok(seven)
        }
    }
    a_tail_match runs ["done", "arm", "done"] desk in 2 {
        #[shielded]
        match desk.waits(1).await {
            1 => { desk.line("arm"); desk.waits(Ok(7)).await }
            _ => Err(TestError::Own("another arm")),
        }
    }
    an_if runs ["done", "then", "done"] desk in 2 {
        #[shielded]
        if desk.waits(true).await {
            desk.line("then");
            desk.waits(()).await;
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_loop runs ["done", "done"] desk in 2 {
        #[shielded]
        for _ in 0..2 {
            desk.waits(()).await;
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_loop_with_a_value runs ["done", "done"] desk in 2 {
        let mut rounds = 0;
        #[shielded]
        let seven = loop {
            rounds += desk.waits(1).await;
            if rounds == 2 { break 7; }
        };
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_while runs ["done", "done"] desk in 2 {
        let mut rounds = 0;
        #[shielded]
        while rounds < 2 { rounds += desk.waits(1).await; }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    an_assignment_to_a_field runs ["done"] desk {
        let mut numbers = Numbers::default();
        #[shielded]
        numbers.one = desk.waits(7).await;
        ready(()).await;
        desk.line("end");
        Ok(numbers.one)
    }
    an_assignment_to_a_field_of_a_parameter runs ["done"] desk {
        let mut desk = desk;
        #[shielded]
        desk.cancels = desk.waits(None).await;
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    an_assignment_to_an_index runs ["done"] desk {
        let mut numbers = Numbers::default();
        #[shielded]
        numbers.all[1] = desk.waits(7).await;
        ready(()).await;
        desk.line("end");
        Ok(numbers.all[1])
    }
    an_assignment_behind_a_reference runs ["done"] desk {
        let mut seven = 0;
        let place = &mut seven;
        #[shielded]
        *place = desk.waits(7).await;
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    an_assignment_to_a_tuple runs ["done"] desk {
        let (three, four);
        #[shielded]
        (three, four) = desk.waits((3, 4)).await;
        ready(()).await;
        desk.line("end");
        Ok(three + four)
    }
    a_compound_assignment runs ["done"] desk {
        let mut seven = 3;
        #[shielded]
        seven += desk.waits(4).await;
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_compound_assignment_to_a_field runs ["done"] desk {
        let mut numbers = Numbers { one: 14, ..Numbers::default() };
        #[shielded]
        numbers.one >>= desk.waits(1).await;
        ready(()).await;
        desk.line("end");
        Ok(numbers.one)
    }
    a_binary_expression runs ["done", "done"] desk in 2 {
        #[shielded]
        let seven = desk.waits(3).await + desk.waits(4).await;
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_method_chain runs ["done"] desk {
        #[shielded]
        desk.waits(vec![7]).await.clear();
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    an_argument runs ["done", "done"] desk in 2 {
        #[shielded]
        drop((desk.waits(String::new()).await, desk.waits(4).await));
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_return runs ["done"] desk {
        #[shielded]
        return desk.waits(Ok(7)).await;
    }
    a_break runs ["done", "behind"] desk {
        let seven = loop {
            #[shielded]
            break desk.waits(7).await;
        };
        desk.line("behind");
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    a_select runs ["done", "arm"] desk {
        #[shielded]
        tokio::select! {
            () = desk.waits(()) => { desk.line("arm"); }
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_join runs ["done"] desk {
        #[shielded]
        tokio::join!(desk.waits(()));
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_try_join_in_a_let runs ["done"] desk {
        #[shielded]
        let (seven,) = tokio::try_join!(desk.waits(Ok::<_, TestError>(7)))?;
        ready(()).await;
        desk.line("end");
        Ok(seven)
    }
    an_async_block runs ["done", "inner"] desk {
        #[shielded]
        async { desk.waits(()).await; desk.line("inner"); }.await;
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_statement_in_a_nested_block runs ["done"] desk {
        if desk.lines.all().is_empty() {
            #[shielded]
            desk.waits(()).await;
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_statement_in_a_loop runs ["done"] desk {
        for _ in 0..1 {
            #[shielded]
            desk.waits(()).await;
        }
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
    a_statement_with_other_attributes runs ["done"] desk {
        #[allow(unused_must_use)]
        #[shielded]
        #[cfg(all())]
        desk.waits(()).await;
        ready(()).await;
        desk.line("end");
        Ok(7)
    }
}

/// After a shielded part, an await that would block is interrupted at once.
#[test]
fn awaits_after_a_shield_are_interrupted() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        #[shielded]
        desk.waits(()).await;
        pending::<()>().await;
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    desk.go_on();
    assert_pending!(started.poll(), "not cancelled: it waits");
    token.cancel();
    assert!(started.is_woken());
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED));

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    token.cancel();
    desk.go_on();
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED), "at once");
}

/// Every exit of a shielded block ends the shield.
#[test]
fn every_exit_of_a_shielded_block_ends_the_shield() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, way: u32, shutdown: CancellationToken) -> Returns {
        'left: {
            loop {
                #[shielded]
                {
                    desk.waits(()).await;
                    match way {
                        0 => break,
                        1 => break 'left,
                        2 => {}
                        _ => Err(TestError::Own("no"))?,
                    }
                }
                break;
            }
        }
        desk.line("left");
        pending::<()>().await;
        Ok(7)
    }

    for way in 0..3 {
        let (desk, token) = (Desk::default(), CancellationToken::new());
        let mut started = task::spawn(start(&desk, way, token.clone()));
        assert_pending!(started.poll());
        token.cancel();
        desk.go_on();
        assert_eq!(assert_ready!(started.poll()), Err(CANCELLED), "way {way}");
        assert_eq!(desk.lines.all(), ["done", "left"], "way {way}");
    }
    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, 3, token.clone()));
    assert_pending!(started.poll());
    token.cancel();
    desk.go_on();
    let own = assert_ready!(started.poll());
    assert_eq!(own, Err(TestError::Own("no")), "its own error is returned");
}

/// In a shielded step, a start may wait for its token: nothing else would tell the step.
#[test]
fn a_shielded_step_may_wait_for_the_token() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        #[shielded]
        tokio::select! {
            () = shutdown.cancelled() => desk.line("told"),
            () = desk.waits(()) => {}
        }
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    token.cancel();
    assert!(started.is_woken());
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["told"]);
}

/// Without a cell, a function that is shielded as a whole is guarded at its entry and its return.
#[test]
fn a_stateless_shielded_fn_guards_its_entry_and_its_return() {
    #[cancel_guarded(shielded)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        desk.line("entered");
        desk.cancels(()).await;
        desk.waits(()).await;
        if shutdown.is_cancelled() {
            desk.line("knows");
        }
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    token.cancel();
    assert_eq!(now(start(&desk, token)), Err(CANCELLED));
    assert!(desk.lines.all().is_empty(), "the body was not polled");

    for cancelled in [false, true] {
        let token = CancellationToken::new();
        let mut desk = Desk::default();
        if cancelled {
            desk.cancels = Some(token.clone());
        }
        let mut started = task::spawn(start(&desk, token));
        assert_pending!(started.poll());
        assert_pending!(started.poll(), "not interrupted");
        desk.go_on();
        let returned = assert_ready!(started.poll());
        if cancelled {
            assert_eq!(returned, Err(CANCELLED));
            assert_eq!(desk.lines.all(), ["entered", "done", "knows"]);
        } else {
            assert_eq!(returned, Ok(7));
            assert_eq!(desk.lines.all(), ["entered", "done"]);
        }
    }
}

/// Cancelled before it has published, a shielded `run` goes on to its end and never publishes.
#[test]
fn a_shielded_run_is_never_interrupted() {
    #[cancel_guarded(run, state = desk.state, shielded)]
    async fn run(desk: &Desk, shutdown: CancellationToken) -> Returns {
        desk.waits(()).await;
        desk.state.store(Running);
        desk.line("stored");
        shutdown.cancelled().await;
        desk.line("drained");
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut running = task::spawn(run(&desk, token.clone()));
    assert_pending!(running.poll());
    desk.go_on();
    assert_pending!(running.poll());
    assert_eq!(desk.state.state(), Running);
    token.cancel();
    assert_eq!(desk.state.state(), Stopping);
    assert_eq!(assert_ready!(running.poll()), Ok(7));
    assert_eq!(desk.state.state(), Stopped);

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut running = task::spawn(run(&desk, token.clone()));
    assert_pending!(running.poll());
    token.cancel();
    assert_pending!(running.poll(), "not interrupted");
    desk.go_on();
    assert_eq!(
        assert_ready!(running.poll()),
        Ok(7),
        "a run that ran to its end returns its own value"
    );
    assert_eq!(desk.lines.all(), ["done", "stored", "drained"]);
    assert_eq!(desk.state.state(), Failed);
}
