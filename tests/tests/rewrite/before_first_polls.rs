//! No awaited operation is begun in a cancelled start, so that nothing is begun after a shielded step
//! during which the start was cancelled.

use std::future::{pending, ready};

use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, TestError};
use tokio_test::{assert_pending, assert_ready, task};

use crate::desk::{Desk, Returns, rechecked};

// Lines without an await run up to the next one.
rechecked! {
    a_statement runs ["before"] of ["before", "begun"] desk {
        desk.cancel_now();
        desk.line("before");
        desk.begins(()).await;
        Ok(7)
    }
    a_let runs [] of ["begun"] desk {
        desk.cancel_now();
        let seven = desk.begins(7).await;
        Ok(seven)
    }
    an_operation_that_was_made_before runs [] of ["begun"] desk {
        let made = desk.begins(7);
        desk.cancel_now();
        Ok(made.await)
    }
    an_operation_that_the_operand_cancels runs ["operand"] of ["operand", "begun"] desk {
        let seven = { desk.line("operand"); desk.cancel_now(); desk.begins(7) }.await;
        Ok(seven)
    }
    an_argument runs [] of ["begun"] desk {
        Ok(u32::max({ desk.cancel_now(); 3 }, desk.begins(7).await))
    }
    a_condition runs [] of ["begun"] desk {
        desk.cancel_now();
        if desk.begins(true).await { Ok(7) } else { Ok(0) }
    }
    a_tail runs [] of ["begun"] desk {
        desk.cancel_now();
        desk.begins(Ok(7)).await
    }
    a_returned_value runs [] of ["begun"] desk {
        desk.cancel_now();
        return desk.begins(Ok(7)).await;
    }
    a_select runs [] of ["begun"] desk {
        desk.cancel_now();
        tokio::select! { seven = desk.begins(7) => Ok(seven) }
    }
    a_select_in_a_let runs [] of ["begun"] desk {
        desk.cancel_now();
        let seven = tokio::select! { seven = desk.begins(7) => seven };
        Ok(seven)
    }
    a_join runs [] of ["begun"] desk {
        desk.cancel_now();
        tokio::join!(desk.begins(()));
        Ok(7)
    }
    a_shielded_statement runs [] of ["begun"] desk {
        desk.cancel_now();
        #[shielded]
        desk.begins(()).await;
        Ok(7)
    }
    a_shielded_let runs [] of ["begun"] desk {
        desk.cancel_now();
        #[shielded]
        let seven = desk.begins(7).await;
        Ok(seven)
    }
    a_shielded_block runs [] of ["block", "begun"] desk {
        desk.cancel_now();
        #[shielded]
        {
            desk.line("block");
            desk.begins(()).await;
        }
        Ok(7)
    }
    a_shielded_tail runs [] of ["begun"] desk {
        desk.cancel_now();
        #[shielded]
        desk.begins(Ok(7)).await
    }

    a_statement_after_a_shielded_step runs ["between"] of ["between", "begun"] desk {
        #[shielded]
        desk.cancels(()).await;
        desk.line("between");
        desk.begins(()).await;
        Ok(7)
    }
    a_select_after_a_shielded_step runs [] of ["begun"] desk {
        #[shielded]
        desk.cancels(()).await;
        tokio::select! {
            () = desk.begins(()) => {}
            () = pending() => {}
        }
        Ok(7)
    }
    a_shielded_step_after_another runs ["first", "between"] of ["first", "between", "second"] desk {
        #[shielded]
        {
            desk.cancels(()).await;
            desk.line("first");
        }
        desk.line("between");
        #[shielded]
        {
            desk.line("second");
            ready(()).await;
        }
        Ok(7)
    }
    a_second_round_of_shielded_steps runs ["step"] of ["step", "step"] desk {
        for _ in 0..2 {
            #[shielded]
            {
                desk.line("step");
                desk.cancels(()).await;
            }
        }
        Ok(7)
    }
    a_second_round_after_a_continue runs ["step"] of ["step", "step", "last"] desk {
        for _ in 0..2 {
            #[shielded]
            {
                desk.line("step");
                desk.cancels(()).await;
                if desk.lines.all().len() < 2 { continue; }
                desk.line("last");
            }
        }
        Ok(7)
    }
}

/// A shield is for steps that wait, too: cancelled while the first waits, the second is not begun.
#[test]
fn a_step_after_one_that_waits() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        #[shielded]
        desk.waits(()).await;
        #[shielded]
        desk.begins(Ok::<_, TestError>(())).await?;
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    token.cancel();
    desk.go_on();
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["done"]);
}

/// What is nested in a shielded step is shielded with it: the step was begun before.
#[test]
fn what_is_within_a_shielded_step_is_begun() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        #[shielded]
        {
            desk.cancels(()).await;
            let seven = tokio::select! { seven = desk.begins(7) => seven };
            desk.begins(Ok(seven)).await
        }
    }

    let token = CancellationToken::new();
    let desk = Desk::that_cancels(&token);
    let refused = cancel_guarded_tests::now(start(&desk, token));
    assert_eq!(refused, Err(CANCELLED), "at its return");
    assert_eq!(desk.lines.all(), ["begun"; 2]);
}
