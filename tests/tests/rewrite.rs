//! The effects of the rewritten body: re-checks, `#[shielded]`, the child token, stores.

// The bodies are unusual, in order to have an await in every place.
#![allow(
    clippy::match_bool,
    clippy::match_single_binding,
    clippy::manual_async_fn,
    clippy::never_loop,
    clippy::ref_option,
    clippy::redundant_closure_call,
    clippy::semicolon_if_nothing_returned
)]

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, State, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{CANCELLED, Flag, Log, TestError, now};
use tokio::sync::Semaphore;
use tokio_test::{assert_pending, assert_ready, task};

use Lifecycle::{Failed, Running, Starting, Stopped, Stopping};

/// The operations that the bodies call.
#[derive(Clone, Default)]
struct Desk {
    state: StateCell,
    /// The lines that have run.
    lines: Log<&'static str>,
    /// The token that `cancels` cancels. It is not a parameter, so that a start has one token
    /// parameter only.
    cancels: Option<CancellationToken>,
    gate: Gate,
}

#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Desk {
    fn line(&self, line: &'static str) {
        self.lines.push(line);
    }

    /// An operation that succeeds without blocking, and cancels the token.
    async fn cancels<T>(&self, value: T) -> T {
        ready(()).await;
        if let Some(token) = &self.cancels {
            token.cancel();
        }
        value
    }

    /// An operation that waits until the test releases it.
    async fn waits<T>(&self, value: T) -> T {
        let permit = self.gate.0.acquire().await;
        permit.expect("the gate is not closed").forget();
        self.line("done");
        value
    }

    fn go_on(&self) {
        self.gate.0.add_permits(1);
    }
}

type Returns = Result<u32, TestError>;

/// Bodies that are cancelled by an operation which itself succeeds. They run up to the line that is
/// named last; without the cancellation, they run to their end.
macro_rules! rechecked {
    ($($name:ident runs [$($line:literal),*] of [$($all:literal),*] $desk:ident { $($body:tt)* })*) => {
        mod rechecked {
            use super::*;

            $(
                #[test]
                fn $name() {
                    #[cancel_guarded(state = $desk.state)]
                    async fn start($desk: &Desk, shutdown: CancellationToken) -> Returns {
                        $($body)*
                    }

                    let desk = Desk::default();
                    let started = now(start(&desk, CancellationToken::new()));
                    assert_eq!(started, Ok(7), "not cancelled");
                    assert_eq!(desk.lines.all(), [$($all),*] as [&str; _], "not cancelled");

                    let token = CancellationToken::new();
                    let desk = Desk { cancels: Some(token.clone()), ..Desk::default() };
                    let refused = now(start(&desk, token));
                    assert_eq!(refused, Err(CANCELLED), "cancelled");
                    assert_eq!(desk.lines.all(), [$($line),*] as [&str; _], "cancelled");
                    assert_eq!(desk.state.state(), Failed);
                }
            )*
        }
    };
}

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
            // The error and the cancellation arrive together, and the cancellation wins.
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
    not_within_other_macros runs ["inner", "behind"] of ["inner", "behind", "after"] desk {
        macro_rules! as_it_is { ($($tokens:tt)*) => { $($tokens)* }; }
        as_it_is! { desk.cancels(()).await; desk.line("inner"); }
        desk.line("behind");
        ready(()).await;
        desk.line("after");
        Ok(7)
    }
    not_within_assertions runs ["behind"] of ["behind", "after"] desk {
        assert!(desk.cancels(true).await);
        desk.line("behind");
        ready(()).await;
        desk.line("after");
        Ok(7)
    }
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
    let desk = Desk {
        cancels: Some(token.clone()),
        ..Desk::default()
    };
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

    for (stops, refused) in [(true, StartError::Cancelled), (false, StartError::Failed)] {
        let desk = Desk::default();
        let started = now(start(&desk, stops, CancellationToken::new()));
        assert_eq!(started, Err(TestError::Refused(refused)));
        assert!(desk.lines.all().is_empty(), "stops: {stops}");
    }
}

/// Bodies that are cancelled inside a shielded part. The part runs to its end; the next await after
/// it is refused.
macro_rules! shielded {
    ($($name:ident runs [$($line:literal),*] $desk:ident $(in $rounds:literal)? { $($body:tt)* })*) => {
        mod shielded {
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
    two_in_a_row runs ["done", "between", "done"] desk in 2 {
        #[shielded]
        desk.waits(()).await;
        desk.line("between");
        #[shielded]
        desk.waits(()).await;
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

/// `continue` leaves a shielded block, too.
#[test]
fn continue_enters_the_shield_again() {
    #[cancel_guarded(state = desk.state)]
    async fn start(desk: &Desk, shutdown: CancellationToken) -> Returns {
        for _ in 0..2 {
            #[shielded]
            {
                desk.waits(()).await;
                if desk.lines.all().len() < 2 {
                    continue;
                }
                desk.line("second round");
            }
        }
        desk.line("behind");
        ready(()).await;
        desk.line("end");
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, token.clone()));
    assert_pending!(started.poll());
    token.cancel();
    desk.go_on();
    assert_pending!(started.poll(), "the second round");
    desk.go_on();
    assert_eq!(assert_ready!(started.poll()), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["done", "done", "second round", "behind"]);
}

/// A function that is shielded as a whole, without a cell: only its entry is guarded.
#[test]
fn a_stateless_shielded_fn_guards_its_entry() {
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

    let token = CancellationToken::new();
    let desk = Desk {
        cancels: Some(token.clone()),
        ..Desk::default()
    };
    let mut started = task::spawn(start(&desk, token));
    assert_pending!(started.poll(), "cancelled by its own first step");
    assert_pending!(started.poll(), "not interrupted");
    desk.go_on();
    assert_eq!(assert_ready!(started.poll()), Ok(7), "as it is");
    assert_eq!(desk.lines.all(), ["entered", "done", "knows"]);
}

/// A shielded function may wait for its own cancellation.
#[test]
fn a_shielded_function_may_wait_for_its_token() {
    #[cancel_guarded(shielded)]
    async fn start(desk: &Desk, shutdown: &CancellationToken) -> Returns {
        tokio::select! {
            () = shutdown.cancelled() => desk.line("cancelled"),
            () = desk.waits(()) => {}
        }
        Ok(7)
    }

    let (desk, token) = (Desk::default(), CancellationToken::new());
    let mut started = task::spawn(start(&desk, &token));
    assert_pending!(started.poll());
    token.cancel();
    assert!(started.is_woken());
    assert_eq!(assert_ready!(started.poll()), Ok(7));
    assert_eq!(desk.lines.all(), ["cancelled"]);
}

/// A shielded function with a cell publishes itself. Cancelled before that, it never publishes.
#[test]
fn a_shielded_function_with_a_state_publishes_itself() {
    #[cancel_guarded(state = desk.state, shielded)]
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
    assert_eq!(assert_ready!(running.poll()), Err(CANCELLED));
    assert_eq!(desk.lines.all(), ["done", "stored", "drained"]);
    assert_eq!(desk.state.state(), Failed);
}

/// Starts that return a clone of the token in their body.
trait Shows {
    /// Keeps a clone of the token for the test.
    fn shown(&self) -> Option<CancellationToken>;
}

impl Shows for CancellationToken {
    fn shown(&self) -> Option<CancellationToken> {
        Some(self.clone())
    }
}

impl<T: Shows + ?Sized> Shows for &T {
    fn shown(&self) -> Option<CancellationToken> {
        T::shown(self)
    }
}

impl<T: Shows + ?Sized> Shows for Arc<T> {
    fn shown(&self) -> Option<CancellationToken> {
        T::shown(self)
    }
}

impl<T: Shows> Shows for Option<T> {
    fn shown(&self) -> Option<CancellationToken> {
        self.as_ref().and_then(T::shown)
    }
}

/// A service, and the tokens that the bodies of its starts saw.
#[derive(Default)]
struct Seer {
    state: StateCell,
    seen: Log<CancellationToken>,
    fails: Flag,
    waits: Flag,
}

impl Seer {
    async fn sees(&self, token: impl Shows) -> Returns {
        self.seen
            .push(token.shown().expect("the body sees a token"));
        drop(token);
        if self.fails.is_set() {
            return Err(TestError::Own("no"));
        }
        if self.waits.is_set() {
            pending::<()>().await;
        }
        Ok(7)
    }

    fn token(&self) -> CancellationToken {
        self.seen.all().pop().expect("a token was seen")
    }
}

type Started<'a> = Pin<Box<dyn Future<Output = Returns> + 'a>>;

/// Asserts what holds for a child token.
fn sees_a_child(start: fn(&Seer, CancellationToken) -> Started<'_>) {
    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    assert!(!seer.token().is_cancelled(), "published: it lives");
    seer.token().cancel();
    assert!(
        !caller.is_cancelled(),
        "cancelling it stops this service only"
    );
    assert_eq!(
        seer.state.state(),
        Stopping,
        "and this service it does stop"
    );

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    caller.cancel();
    assert!(seer.token().is_cancelled(), "the caller's cancels it");
    assert_eq!(seer.state.state(), Stopping);

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    seer.fails.set();
    assert_eq!(now(start(&seer, caller.clone())), Err(TestError::Own("no")));
    assert!(seer.token().is_cancelled(), "the start failed");
    assert!(!caller.is_cancelled());

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    seer.waits.set();
    let mut started = task::spawn(start(&seer, caller.clone()));
    assert_pending!(started.poll());
    assert!(!seer.token().is_cancelled(), "under way: it lives");
    drop(started);
    assert!(seer.token().is_cancelled(), "the start was dropped");
    assert!(!caller.is_cancelled());

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    assert!(seer.state.fail("disk full"));
    assert!(seer.token().is_cancelled(), "the service failed");
    assert!(!caller.is_cancelled());

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    assert!(seer.state.request_stop());
    assert!(seer.token().is_cancelled(), "the service was asked to stop");
    assert!(!caller.is_cancelled());
}

/// Asserts what holds for the caller's own token.
fn sees_the_callers_own(start: fn(&Seer, CancellationToken) -> Started<'_>) {
    let (seer, caller) = (Seer::default(), CancellationToken::new());
    seer.fails.set();
    assert_eq!(now(start(&seer, caller.clone())), Err(TestError::Own("no")));
    assert!(
        !seer.token().is_cancelled(),
        "it is not the guard's to cancel"
    );

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    seer.token().cancel();
    assert!(caller.is_cancelled(), "it is the caller's");
    assert_eq!(seer.state.state(), Stopping, "and guards the service");
}

macro_rules! children {
    ($($name:ident: $token:ty, |$caller:ident| $given:expr;)*) => {
        mod child {
            use super::*;

            $(
                #[test]
                fn $name() {
                    #[cancel_guarded(state = seer.state)]
                    async fn start(seer: &Seer, shutdown: $token) -> Returns {
                        let seen: $token = shutdown;
                        seer.sees(seen).await
                    }
                    sees_a_child(|seer, $caller| Box::pin(async move { start(seer, $given).await }));
                }
            )*
        }
    };
}

children! {
    by_value: CancellationToken, |caller| caller;
    by_reference: &CancellationToken, |caller| &caller;
    by_two_references: &&CancellationToken, |caller| &&caller;
    optional: Option<CancellationToken>, |caller| Some(caller);
    optional_reference: Option<&CancellationToken>, |caller| Some(&caller);
    reference_to_optional: &Option<CancellationToken>, |caller| &Some(caller);
    by_arc: Arc<CancellationToken>, |caller| Arc::new(caller);
    by_shared_arc: &Arc<CancellationToken>, |caller| &Arc::new(caller);
    optional_arc: Option<Arc<CancellationToken>>, |caller| Some(Arc::new(caller));
    optional_shared_arc: Option<&Arc<CancellationToken>>, |caller| Some(&Arc::new(caller));
    arc_of_optional: Arc<Option<CancellationToken>>, |caller| Arc::new(Some(caller));
}

/// The body names the token only inside a macro, or in a format string.
#[test]
fn a_token_named_in_a_macro_is_a_child() {
    #[cancel_guarded(state = seer.state)]
    async fn start(seer: &Seer, shutdown: CancellationToken) -> Returns {
        tokio::join!(seer.sees(shutdown.clone())).0
    }
    sees_a_child(|seer, caller| Box::pin(start(seer, caller)));
}

#[test]
fn a_token_moved_into_a_nested_block_is_a_child() {
    #[cancel_guarded(state = seer.state)]
    async fn start(seer: &Seer, mut shutdown: CancellationToken) -> Returns {
        shutdown = (|| shutdown)();
        let nested = async move { seer.sees(shutdown).await };
        nested.await
    }
    sees_a_child(|seer, caller| Box::pin(start(seer, caller)));
}

#[test]
fn a_token_of_a_fn_with_a_future_is_a_child() {
    #[cancel_guarded(state = seer.state)]
    fn pinned(seer: &Seer, shutdown: CancellationToken) -> Started<'_> {
        Box::pin(async move { seer.sees(shutdown).await })
    }
    #[cancel_guarded(state = seer.state)]
    fn by_reference<'a>(
        seer: &'a Seer,
        shutdown: &'a CancellationToken,
    ) -> impl Future<Output = Returns> + 'a {
        async move { seer.sees(shutdown).await }
    }
    #[cancel_guarded(state = seer.state)]
    fn cloned_at_the_call<'a>(
        seer: &'a Seer,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = Returns> + use<'a> {
        let shutdown = shutdown.clone();
        async move { seer.sees(shutdown).await }
    }
    sees_a_child(pinned);
    sees_a_child(|seer, caller| Box::pin(async move { by_reference(seer, &caller).await }));
    sees_a_child(|seer, caller| Box::pin(async move { cloned_at_the_call(seer, &caller).await }));
}

#[test]
fn a_token_in_an_async_trait_is_a_child() {
    #[async_trait(?Send)]
    trait Starts {
        async fn by_value(&self, shutdown: CancellationToken) -> Returns;
        async fn by_reference(&self, shutdown: &CancellationToken) -> Returns;
        async fn optional(&self, mut shutdown: Option<CancellationToken>) -> Returns;
    }

    #[async_trait(?Send)]
    impl Starts for Seer {
        #[cancel_guarded(state = self.state)]
        async fn by_value(&self, shutdown: CancellationToken) -> Returns {
            self.sees(shutdown).await
        }

        #[cancel_guarded(state = self.state)]
        async fn by_reference(&self, shutdown: &CancellationToken) -> Returns {
            self.sees(shutdown).await
        }

        #[cancel_guarded(state = self.state)]
        async fn optional(&self, mut shutdown: Option<CancellationToken>) -> Returns {
            self.sees(shutdown.take()).await
        }
    }

    sees_a_child(|seer, caller| Starts::by_value(seer, caller));
    sees_a_child(|seer, caller| Box::pin(async move { Starts::by_reference(seer, &caller).await }));
    sees_a_child(|seer, caller| Starts::optional(seer, Some(caller)));
}

#[test]
fn a_token_under_instrument_is_a_child() {
    #[tracing::instrument(skip_all, ret, err)]
    #[cancel_guarded(state = seer.state)]
    async fn below(seer: &Seer, shutdown: CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(state = seer.state)]
    #[tracing::instrument(skip_all, ret, err)]
    async fn above(seer: &Seer, shutdown: CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    sees_a_child(|seer, caller| Box::pin(below(seer, caller)));
    sees_a_child(|seer, caller| Box::pin(above(seer, caller)));
}

/// `token = EXPR` leaves the caller's own token, in any form.
#[test]
fn a_given_token_is_the_callers_own() {
    #[cancel_guarded(token = shutdown, state = seer.state)]
    async fn by_value(seer: &Seer, shutdown: CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = shutdown, state = seer.state)]
    async fn by_reference(seer: &Seer, shutdown: &CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = shutdown, state = seer.state)]
    async fn optional(seer: &Seer, shutdown: Option<Arc<CancellationToken>>) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = tokens[0], state = seer.state)]
    async fn within(seer: &Seer, tokens: [CancellationToken; 1]) -> Returns {
        seer.sees(&tokens[0]).await
    }
    #[cancel_guarded(token = shutdown, state = seer.state)]
    fn pinned(seer: &Seer, shutdown: CancellationToken) -> Started<'_> {
        Box::pin(async move { seer.sees(shutdown).await })
    }
    sees_the_callers_own(|seer, caller| Box::pin(by_value(seer, caller)));
    sees_the_callers_own(|seer, caller| Box::pin(async move { by_reference(seer, &caller).await }));
    sees_the_callers_own(|seer, caller| Box::pin(optional(seer, Some(Arc::new(caller)))));
    sees_the_callers_own(|seer, caller| Box::pin(within(seer, [caller])));
    sees_the_callers_own(pinned);
}

/// A return type may borrow from the caller's own token.
#[test]
fn a_given_token_may_be_returned() {
    #[cancel_guarded(token = shutdown)]
    async fn start(shutdown: &CancellationToken) -> Result<&CancellationToken, TestError> {
        Ok(ready(shutdown).await)
    }
    let token = CancellationToken::new();
    let returned = now(start(&token)).expect("it starts");
    assert!(std::ptr::eq(returned, &raw const token));
}

/// States with the service's own steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial)]
    New,
    #[state(starting)]
    Starting,
    Migrating,
    Warming,
    #[state(running)]
    Up,
    #[state(stopping)]
    Draining,
    #[state(stopped)]
    Down,
    #[state(failed)]
    Broken,
}

/// A service that logs its states as it stores them.
#[derive(Default)]
struct Stepper {
    state: StateCell<Phase>,
    seen: Log<Phase>,
}

impl Stepper {
    fn look(&self) {
        self.seen.push(self.state.state());
    }
}

macro_rules! stores {
    ($($name:ident stores [$($phase:ident),*] $self:ident { $($body:tt)* })*) => {
        impl Stepper {
            $(
                #[cancel_guarded(state = $self.state)]
                async fn $name(&$self, shutdown: CancellationToken) -> Returns {
                    $($body)*
                }
            )*
        }

        mod stores {
            use super::*;

            $(
                #[test]
                fn $name() {
                    let stepper = Stepper::default();
                    let started = now(stepper.$name(CancellationToken::new()));
                    assert_eq!(started, Ok(7));
                    assert_eq!(stepper.seen.all(), [$(Phase::$phase),*]);
                    assert_eq!(stepper.state.state(), Phase::Up);
                }
            )*
        }
    };
}

stores! {
    in_the_body stores [Migrating, Warming] self {
        self.state.store(Phase::Migrating);
        self.look();
        ready(()).await;
        self.state.store(Phase::Warming);
        self.look();
        Ok(7)
    }
    in_nested_blocks stores [Migrating, Warming] self {
        {
            let () = { self.state.store(Phase::Migrating) };
            self.look();
        }
        if ready(true).await {
            if self.seen.all().len() == 1 {
                self.state.store(Phase::Warming);
            }
            self.look();
        }
        Ok(7)
    }
    in_loops stores [Migrating, Warming, Migrating] self {
        for phase in [Phase::Migrating, Phase::Warming] {
            self.state.store(phase);
            self.look();
        }
        let mut left = 1;
        while left > 0 {
            self.state.store(ready(Phase::Migrating).await);
            self.look();
            left -= 1;
        }
        Ok(7)
    }
    in_arms stores [Warming, Migrating] self {
        match ready(1).await {
            0 => self.state.store(Phase::Migrating),
            n if n == 1 => self.state.store(Phase::Warming),
            _ => {}
        }
        self.look();
        match 2 {
            _ => {
                self.state.store(Phase::Migrating);
                self.look();
            }
        }
        Ok(7)
    }
    in_the_else_of_a_let stores [Migrating] self {
        let Some(seven) = ready(None).await else {
            self.state.store(Phase::Migrating);
            self.look();
            return Ok(7);
        };
        Ok(seven)
    }
    in_expressions stores [Migrating, Warming] self {
        let seven = (self.state.store(Phase::Migrating), self.look(), 7).2;
        let warm = seven == 7;
        self.state.store(if warm { Phase::Warming } else { Phase::Migrating });
        self.look();
        Ok(seven)
    }
    under_a_shield stores [Migrating, Warming] self {
        #[shielded]
        {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
        }
        #[shielded]
        let seven = { self.state.store(Phase::Warming); ready(7).await };
        self.look();
        Ok(seven)
    }
    spelled_otherwise stores [Migrating, Warming, Migrating] self {
        (self.state).store(Phase::Migrating);
        self.look();
        (&self.state).store(Phase::Warming);
        self.look();
        self . state
            . store(Phase::Migrating,);
        self.look();
        Ok(7)
    }
    by_constant stores [Migrating] self {
        const STEP: Phase = Phase::Migrating;
        self.state.store(STEP);
        self.look();
        Ok(7)
    }
}

/// A store after the cancellation writes nothing, and the start ends at its next await or return.
#[test]
fn a_store_after_a_cancellation_writes_nothing() {
    #[cancel_guarded(state = stepper.state)]
    async fn late(stepper: &Stepper, waits: bool, shutdown: CancellationToken) -> Returns {
        stepper.state.store(Phase::Migrating);
        shutdown.cancel();
        stepper.state.store(Phase::Warming);
        stepper.look();
        if waits {
            ready(()).await;
            stepper.look();
        }
        Ok(7)
    }

    for waits in [false, true] {
        let stepper = Stepper::default();
        let refused = now(late(&stepper, waits, CancellationToken::new()));
        assert_eq!(refused, Err(CANCELLED), "waits: {waits}");
        assert_eq!(stepper.seen.all(), [Phase::Migrating], "waits: {waits}");
        assert_eq!(stepper.state.state(), Phase::Broken);
    }
}

/// A `store` on another value is the user's own method.
#[test]
fn other_stores_stay_what_they_are() {
    struct Store(Cell<u32>);
    impl Store {
        fn store(&self, value: u32) {
            self.0.set(value);
        }
    }
    struct Service {
        state: StateCell<Phase>,
        other: Store,
    }
    impl Service {
        #[cancel_guarded(state = self.state)]
        async fn start(&self, shutdown: CancellationToken) -> Returns {
            self.other.store(3);
            self.state.store(Phase::Warming);
            let state = Store(Cell::new(0));
            state.store(4);
            Ok(ready(self.other.0.get() + state.0.get()).await)
        }
    }

    let service = Service {
        state: StateCell::new(),
        other: Store(Cell::new(0)),
    };
    assert_eq!(now(service.start(CancellationToken::new())), Ok(7));
    assert_eq!(service.state.state(), Phase::Up);
}

/// `self.state.store` under `#[async_trait]`, which renames `self`, and under `#[instrument]`.
#[test]
fn stores_under_async_trait() {
    trait HasState {
        fn state(&self) -> &StateCell<Phase>;
        fn look(&self);
    }

    impl HasState for Stepper {
        fn state(&self) -> &StateCell<Phase> {
            &self.state
        }

        fn look(&self) {
            Stepper::look(self);
        }
    }

    #[async_trait]
    trait Starts: HasState + Sync {
        async fn implemented(&self, shutdown: CancellationToken) -> Returns;
        async fn instrumented(&self, shutdown: CancellationToken) -> Returns;
        async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Returns;
        async fn exclusive(&mut self, shutdown: CancellationToken);

        #[cancel_guarded(state = self.state())]
        async fn default(&self, shutdown: CancellationToken) -> Returns {
            self.state().store(Phase::Migrating);
            self.look();
            ready(()).await;
            {
                self.state().store(Phase::Warming);
            }
            self.look();
            Ok(7)
        }
    }

    #[async_trait]
    impl Starts for Stepper {
        #[cancel_guarded(state = self.state)]
        async fn implemented(&self, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            for _ in 0..1 {
                ready(()).await;
                self.state.store(Phase::Warming);
            }
            self.look();
            Ok(7)
        }

        #[tracing::instrument(skip_all, ret)]
        #[cancel_guarded(state = self.state)]
        async fn instrumented(&self, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            #[shielded]
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
            Ok(7)
        }

        #[cancel_guarded(state = self.state)]
        async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
            Ok(7)
        }

        #[cancel_guarded(state = self.state)]
        async fn exclusive(&mut self, shutdown: CancellationToken) {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
        }
    }

    type Stepped = Pin<Box<dyn Future<Output = (Returns, Stepper)>>>;
    let starts: [fn(Stepper) -> Stepped; 5] = [
        |it| Box::pin(async move { (it.implemented(CancellationToken::new()).await, it) }),
        |it| Box::pin(async move { (it.instrumented(CancellationToken::new()).await, it) }),
        |it| Box::pin(async move { (Starts::default(&it, CancellationToken::new()).await, it) }),
        |mut it| {
            Box::pin(async move {
                it.exclusive(CancellationToken::new()).await;
                (Ok(7), it)
            })
        },
        |it| {
            Box::pin(async move {
                let it = Arc::new(it);
                let started = it.clone().by_arc(CancellationToken::new()).await;
                (started, Arc::into_inner(it).expect("the start is over"))
            })
        },
    ];
    for (index, start) in starts.into_iter().enumerate() {
        let (started, stepper) = now(start(<Stepper as Default>::default()));
        assert_eq!(started, Ok(7), "start {index}");
        let seen = stepper.seen.all();
        assert_eq!(seen, [Phase::Migrating, Phase::Warming], "start {index}");
        assert_eq!(stepper.state.state(), Phase::Up, "start {index}");
    }
}

/// Publication in the middle of a body: after it no await is interrupted or re-checked.
#[test]
fn nothing_is_rechecked_after_publication() {
    #[cancel_guarded(state = desk.state)]
    async fn run(desk: &Desk, shutdown: CancellationToken) -> Returns {
        desk.state.store(Running);
        desk.cancels(()).await;
        desk.line("behind");
        let seven = desk.waits(7).await;
        desk.line("end");
        Ok(seven)
    }

    let token = CancellationToken::new();
    let desk = Desk {
        cancels: Some(token.clone()),
        ..Desk::default()
    };
    let mut running = task::spawn(run(&desk, token));
    assert_pending!(running.poll());
    assert_eq!(desk.state.state(), Stopping);
    assert_eq!(desk.lines.all(), ["behind"]);
    desk.go_on();
    assert_eq!(assert_ready!(running.poll()), Ok(7));
    assert_eq!(desk.lines.all(), ["behind", "done", "end"]);
    assert_eq!(desk.state.state(), Stopped);
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
