//! An operation that succeeds under a cancelled token proves nothing: the next line does not run.

use std::cell::Cell;
use std::future::ready;
use std::rc::Rc;

use cancel_guarded::{CancellationToken, FailureKind, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Log, TestError, failed, now};
use tokio_test::{assert_pending, assert_ready, task};

use crate::desk::{Desk, Returns, rechecked};

rechecked! {
    behind_a_statement runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        desk.cancels(()).await;
        desk.line("after");
        Ok(7)
    }
    behind_a_statement_with_a_question runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        desk.cancels(Ok::<_, TestError>(())).await?;
        desk.line("after");
        Ok(7)
    }
    before_a_question_returns runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        let seven = match desk.cancels.is_some() {
            // The error does not arrive, so that it is not the body's own.
            true => desk.cancels(Err(TestError::Own("too late"))).await?,
            false => 7,
        };
        desk.line("after");
        Ok(seven)
    }
    behind_a_let runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        let seven = desk.cancels(7).await;
        desk.line("after");
        Ok(seven)
    }
    behind_a_let_without_a_binding runs [] of ["after"] desk {
        let _ = desk.cancels(7).await;
        desk.line("after");
        Ok(7)
    }
    within_an_expression runs ["left"] of ["left", "right"] desk {
        let seven = { desk.line("left"); desk.cancels(3).await } + { desk.line("right"); 4 };
        Ok(seven)
    }
    behind_a_condition runs [] of ["then"] desk {
        if desk.cancels(true).await { desk.line("then"); }
        Ok(7)
    }
    behind_a_block_at_its_end runs ["then"] of ["then", "behind"] desk {
        if desk.lines.all().is_empty() {
            desk.line("then");
            desk.cancels(()).await;
        }
        desk.line("behind");
        Ok(7)
    }
    behind_a_block_that_ends_without_semicolon runs ["then"] of ["then", "behind"] desk {
        if desk.lines.all().is_empty() {
            desk.line("then");
            desk.cancels(()).await
        }
        desk.line("behind");
        Ok(7)
    }
    behind_a_round_of_a_loop runs ["round"] of ["round", "round"] desk {
        for _ in 0..2 {
            desk.line("round");
            desk.cancels(()).await;
        }
        Ok(7)
    }
    behind_an_arm runs ["arm"] of ["arm", "behind"] desk {
        match 1 {
            1 => { desk.line("arm"); desk.cancels(()).await; }
            _ => desk.cancels(()).await,
        }
        desk.line("behind");
        Ok(7)
    }
    before_a_guard_is_taken runs [] of ["arm"] desk {
        match 1 {
            _ if desk.cancels(true).await => desk.line("arm"),
            _ => desk.line("other arm"),
        }
        Ok(7)
    }
    before_a_while_begins runs [] of ["round"] desk {
        let mut rounds = 0;
        while desk.cancels(rounds).await < 1 {
            desk.line("round");
            rounds += 1;
        }
        Ok(7)
    }
    behind_an_operand_of_a_chain runs [] of ["method"] desk {
        let seven = desk.cancels(7).await.min({ desk.line("method"); 8 });
        Ok(seven)
    }
    behind_a_return runs [] of [] desk {
        return desk.cancels(Ok(7)).await;
    }
    with_a_loop_that_only_a_return_ends runs ["round"] of ["round", "round"] desk {
        loop {
            desk.line("round");
            desk.cancels(()).await;
            if desk.lines.all().len() == 2 { return Ok(7); }
        }
    }
    behind_a_function_that_joins runs [] of ["after"] desk {
        let (three, four) = futures::future::try_join(
            desk.cancels(Ok::<_, TestError>(3)),
            ready(Ok(4)),
        )
        .await?;
        desk.line("after");
        Ok(three + four)
    }

    not_within_an_async_block runs ["inner"] of ["inner", "after"] desk {
        async { desk.cancels(()).await; desk.line("inner"); }.await;
        desk.line("after");
        Ok(7)
    }
    not_within_a_closure runs ["inner"] of ["inner", "after"] desk {
        let close = || async { desk.cancels(()).await; desk.line("inner"); };
        close().await;
        desk.line("after");
        Ok(7)
    }
    not_within_an_async_closure runs ["inner"] of ["inner", "after"] desk {
        let close = async || { desk.cancels(()).await; desk.line("inner"); };
        close().await;
        desk.line("after");
        Ok(7)
    }
    not_within_a_function runs ["inner"] of ["inner", "after"] desk {
        async fn inner(desk: &Desk) { desk.cancels(()).await; desk.line("inner"); }
        inner(desk).await;
        desk.line("after");
        Ok(7)
    }
}

/// The statements are fragments of a `macro_rules`, which arrive in invisible groups.
#[test]
fn behind_statement_fragments() {
    macro_rules! written {
        ($desk:ident: $($step:stmt;)*) => {
            #[cancel_guarded(state = $desk.state)]
            async fn start($desk: &Desk, shutdown: CancellationToken) -> Returns {
                $($step;)*
                drop(shutdown);
                Ok(7)
            }
        };
    }
    written!(desk: desk.line("before"); let _cancelled = desk.cancels(1).await; desk.line("after"););

    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    assert_eq!(now(start(&desk, token)), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["before"]);
}

/// A value that arrives together with the cancellation is dropped before the rest of the body.
#[test]
fn a_late_value_is_dropped_first() {
    struct Noted(&'static str, Log<&'static str>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.1.push(self.0);
        }
    }

    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        let _before = Noted("local", desk.lines.clone());
        let _value = desk.cancels(Noted("value", desk.lines.clone())).await;
        desk.line("after");
        Ok(7)
    }

    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    assert_eq!(now(start(&desk, token)), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["value", "local"]);
}

/// `fail` stops the next line, too.
#[test]
fn a_failure_stops_the_next_line_too() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, stops: bool, shutdown: CancellationToken) -> Returns {
        async {
            if stops {
                assert!(desk.state.request_stop(), "it is asked");
            } else {
                assert!(desk.state.fail("lost"), "it fails");
            }
        }
        .await;
        desk.line("after");
        Ok(7)
    }

    for (stops, refused) in [(true, CANCELLED), (false, failed("lost"))] {
        let desk = Desk::default();
        let started = now(start(&desk, stops, CancellationToken::new()));
        assert_eq!(started, Err(refused));
        assert!(desk.lines.all().is_empty(), "stops: {stops}");
    }
}

/// A body that is not `Send` is guarded, too.
#[test]
fn local_values_live_across_awaits() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        let local = Rc::new(Cell::new(3));
        desk.waits(()).await;
        local.set(local.get() + desk.waits(4).await);
        Ok(local.get())
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    desk.go_on();
    assert_pending!(started.poll());
    token.cancel();
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED));
    let failure = desk.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Cancelled);
}
