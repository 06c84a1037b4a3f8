//! The generated code does not reach an await inside a macro's input. It checks after the statement.

use std::future::{pending, ready};

use anyhow::Context as _;
use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::{TestError, now};

use crate::desk::{Desk, Returns, rechecked};

rechecked! {
    behind_a_select runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        tokio::select! {
            () = desk.cancels(()) => {}
            () = pending() => {}
        }
        desk.line("after");
        Ok(7)
    }
    behind_a_select_with_semicolon runs ["arm"] of ["arm", "after"] desk {
        tokio::select! {
            () = desk.cancels(()) => { desk.line("arm"); }
        };
        desk.line("after");
        Ok(7)
    }
    behind_a_select_in_parentheses runs [] of ["after"] desk {
        tokio::select!(() = desk.cancels(()) => {});
        desk.line("after");
        Ok(7)
    }
    behind_a_select_in_a_let runs ["before"] of ["before", "after"] desk {
        desk.line("before");
        let seven = tokio::select! {
            seven = desk.cancels(7) => seven,
            () = pending() => 0,
        };
        desk.line("after");
        Ok(seven)
    }
    behind_a_select_in_a_let_with_a_question runs [] of ["after"] desk {
        let seven = tokio::select! {
            seven = desk.cancels(Ok::<_, TestError>(7)) => seven,
        }?;
        desk.line("after");
        Ok(seven)
    }
    behind_a_select_that_ends_a_round runs ["round"] of ["round", "round"] desk {
        for _ in 0..2 {
            desk.line("round");
            tokio::select! {
                () = desk.cancels(()) => {}
            }
        }
        Ok(7)
    }
    behind_a_join runs [] of ["after"] desk {
        tokio::join!(desk.cancels(1), desk.cancels(2));
        desk.line("after");
        Ok(7)
    }
    behind_a_join_in_a_let runs [] of ["after"] desk {
        let (three, four) = tokio::join!(desk.cancels(3), ready(4));
        desk.line("after");
        Ok(three + four)
    }
    behind_a_try_join runs [] of ["after"] desk {
        tokio::try_join!(desk.cancels(Ok::<_, TestError>(1)))?;
        desk.line("after");
        Ok(7)
    }
    behind_a_try_join_in_a_let runs [] of ["after"] desk {
        let (seven,) = tokio::try_join!(desk.cancels(Ok::<_, TestError>(7)))?;
        desk.line("after");
        Ok(seven)
    }
    behind_an_imported_join runs [] of ["after"] desk {
        use futures::join;
        let (three, four) = join!(desk.cancels(3), ready(4));
        desk.line("after");
        Ok(three + four)
    }
    behind_a_biased_select runs [] of ["after"] desk {
        use futures::FutureExt as _;
        let seven = futures::select_biased! {
            seven = Box::pin(desk.cancels(7)).fuse() => seven,
            complete => 0,
        };
        desk.line("after");
        Ok(seven)
    }
    not_within_a_block_that_is_joined runs ["inner"] of ["inner", "after"] desk {
        tokio::join!(async { desk.cancels(()).await; desk.line("inner"); });
        desk.line("after");
        Ok(7)
    }
    not_within_an_arm_of_a_select runs ["arm"] of ["arm", "after"] desk {
        tokio::select! {
            () = ready(()) => { desk.cancels(()).await; desk.line("arm"); }
        }
        desk.line("after");
        Ok(7)
    }
    behind_a_select_that_continues runs ["round"] of ["round", "round"] desk {
        let mut left = 2;
        while left > 0 {
            desk.line("round");
            left -= 1;
            tokio::select! {
                () = desk.cancels(()) => continue,
                () = pending() => {}
            }
        }
        Ok(7)
    }
    behind_a_select_that_breaks runs [] of ["after"] desk {
        let seven = loop {
            tokio::select! {
                seven = desk.cancels(7) => if seven > 0 { break seven },
                () = pending() => {}
            }
        };
        desk.line("after");
        Ok(seven)
    }
    behind_a_select_that_breaks_out_of_two_loops runs ["round"] of ["round", "after"] desk {
        'all: loop {
            loop {
                desk.line("round");
                tokio::select! { () = desk.cancels(()) => break 'all }
            }
        }
        desk.line("after");
        Ok(7)
    }
    behind_a_select_that_is_a_scrutinee runs [] of ["after"] desk {
        let seven = match tokio::select! { seven = desk.cancels(Some(7)) => seven } {
            Some(seven) => seven,
            None => return Err(TestError::Own("none")),
        };
        desk.line("after");
        Ok(seven)
    }
    behind_a_try_join_with_context runs [] of ["after"] desk {
        let (three, four) = tokio::try_join!(desk.cancels(Ok::<_, StartError>(3)), async { Ok(4) })
            .context("set up")
            .map_err(|_| TestError::Own("no"))?;
        desk.line("after");
        Ok(three + four)
    }
    behind_a_try_join_in_an_if_let runs [] of ["after"] desk {
        if let Err(error) = tokio::try_join!(desk.cancels(Ok::<_, TestError>(7))) {
            return Err(error);
        }
        desk.line("after");
        Ok(7)
    }
    behind_a_join_in_a_let_with_else runs [] of ["after"] desk {
        let (Some(seven),) = tokio::join!(desk.cancels(Some(7))) else {
            return Err(TestError::Own("none"));
        };
        desk.line("after");
        Ok(seven)
    }
    behind_a_try_join_that_is_assigned runs [] of ["after"] desk {
        let (three, four);
        (three, four) = tokio::try_join!(desk.cancels(Ok::<_, TestError>(3)), async { Ok(4) })?;
        desk.line("after");
        Ok(three + four)
    }
    behind_a_field_of_a_join runs [] of ["after"] desk {
        let seven = tokio::join!(desk.cancels(Ok::<_, TestError>(7))).0?;
        desk.line("after");
        Ok(seven)
    }
    behind_a_join_in_an_argument runs [] of ["after"] desk {
        drop(tokio::join!(desk.cancels(String::new())));
        desk.line("after");
        Ok(7)
    }
    behind_a_debugged_await runs [] of ["after"] desk {
        let seven = dbg!(desk.cancels(7).await);
        desk.line("after");
        Ok(seven)
    }
    behind_an_assertion runs [] of ["after"] desk {
        assert!(desk.cancels(true).await);
        desk.line("after");
        Ok(7)
    }
    behind_a_formatted_await runs [] of ["after"] desk {
        let text = format!("{}", desk.cancels("7").await);
        desk.line("after");
        text.parse().map_err(|_| TestError::Own("no"))
    }
    behind_a_vec_of_awaits runs [] of ["after"] desk {
        let all = vec![desk.cancels(7).await];
        desk.line("after");
        Ok(all[0])
    }
    behind_a_match_in_a_condition runs [] of ["then"] desk {
        if matches!(desk.cancels(Some(1)).await, Some(1)) {
            desk.line("then");
        }
        Ok(7)
    }
    behind_a_macro_of_statements runs ["inner"] of ["inner", "after"] desk {
        macro_rules! as_it_is { ($($tokens:tt)*) => { $($tokens)* }; }
        as_it_is! { desk.cancels(()).await; desk.line("inner"); }
        desk.line("after");
        Ok(7)
    }
    not_behind_a_macro_without_an_await runs ["behind"] of ["behind", "after"] desk {
        desk.cancel_now();
        macro_rules! nothing { ($($tokens:tt)*) => {}; }
        nothing! { is waited for }
        desk.line("behind");
        ready(()).await;
        desk.line("after");
        Ok(7)
    }
}

/// `?` on what `try_join!` returns leaves the body before the check: the error is the body's own.
#[test]
fn the_error_of_a_try_join_is_returned() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        let (seven,) = tokio::try_join!(desk.cancels(Err(TestError::Own("no"))))?;
        Ok(seven)
    }

    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    assert_eq!(now(start(&desk, token)), Err(TestError::Own("no")));
    let failure = desk.state.failure().expect("a cause");
    assert_eq!(failure.to_string(), "no");
}

/// A macro that returns from the function, as `ensure!` does, is checked behind, too.
#[test]
fn behind_a_macro_that_returns() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> anyhow::Result<u32> {
        anyhow::ensure!(desk.cancels(7).await == 7, "another value");
        desk.line("after");
        Ok(7)
    }

    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    let refused = now(start(&desk, token)).expect_err("it is refused");
    assert_eq!(refused.downcast_ref(), Some(&StartError::Cancelled));
    assert!(desk.lines.all().is_empty());
}
