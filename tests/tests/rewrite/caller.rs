//! `caller = NAME`: the caller's own token, beside the child that the body sees.

use std::future::ready;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, TestError, now};

use Lifecycle::{Failed, Running, Stopped};

/// The child and the caller's token, as a body saw them.
type Seen = Result<(CancellationToken, CancellationToken), TestError>;

/// A body that keeps both tokens. `$own` and `$everything` read them from their forms.
macro_rules! callers {
    ($($name:ident: $token:ty, |$given:ident| $form:expr, |$seen:ident| $read:expr;)*) => {$(
        #[test]
        fn $name() {
            #[cancel_guarded(state = state, caller = everything)]
            async fn start(state: &StateCell, shutdown: $token) -> Seen {
                ready(()).await;
                let own = { let $seen = shutdown; $read };
                let everything = { let $seen = everything; $read };
                Ok((own, everything))
            }

            let (state, $given) = (StateCell::new(), CancellationToken::new());
            let caller = $given.clone();
            let (own, everything) = now(start(&state, $form)).expect("it starts");
            own.cancel();
            assert!(!caller.is_cancelled(), "the body sees a child");
            everything.cancel();
            assert!(caller.is_cancelled(), "`everything` is the caller's");
        }
    )*};
}

callers! {
    by_value: CancellationToken, |token| token, |seen| seen;
    by_reference: &CancellationToken, |token| &token, |seen| seen.clone();
    optional: Option<CancellationToken>, |token| Some(token), |seen| seen.expect("a token");
    by_arc: Arc<CancellationToken>, |token| Arc::new(token), |seen| CancellationToken::clone(&seen);
}

/// A service that stops everything when it cannot start.
#[test]
fn a_body_may_cancel_everything() {
    #[cancel_guarded(state = state, caller = everything)]
    async fn start(state: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
        let _watched = shutdown.child_token();
        everything.cancel();
        ready(()).await;
        Ok(())
    }

    let (state, token) = (StateCell::new(), CancellationToken::new());
    assert_eq!(now(start(&state, token.clone())), Err(CANCELLED));
    assert!(token.is_cancelled());
    assert_eq!(state.state(), Failed);
}

/// Where the body names the child nowhere, too.
#[test]
fn the_child_need_not_be_named() {
    #[cancel_guarded(state = state, caller = everything)]
    async fn start(
        state: &StateCell,
        shutdown: CancellationToken,
    ) -> Result<CancellationToken, TestError> {
        Ok(everything.clone())
    }

    let (state, token) = (StateCell::new(), CancellationToken::new());
    let everything = now(start(&state, token.clone())).expect("it starts");
    assert_eq!(state.state(), Running);
    everything.cancel();
    assert!(token.is_cancelled());
    assert_eq!(state.state(), Stopped);
}

/// With `token = PARAM`, NAME is that parameter.
#[test]
fn of_a_picked_parameter() {
    #[cancel_guarded(state = state, token = second, caller = everything)]
    async fn start(
        state: &StateCell,
        first: CancellationToken,
        second: CancellationToken,
    ) -> Result<(), TestError> {
        assert!(!second.is_cancelled() && !first.is_cancelled());
        everything.cancel();
        Ok(())
    }

    let (first, second) = (CancellationToken::new(), CancellationToken::new());
    let refused = now(start(&StateCell::new(), first.clone(), second.clone()));
    assert_eq!(refused, Err(CANCELLED));
    assert!(second.is_cancelled() && !first.is_cancelled());
}

#[test]
fn in_a_sync_start_and_in_a_run() {
    #[cancel_guarded(state = state, caller = everything)]
    fn start(state: &StateCell, shutdown: CancellationToken) -> Result<(), TestError> {
        assert!(!shutdown.is_cancelled());
        everything.cancel();
        Ok(())
    }
    #[cancel_guarded(run, state = state, caller = everything)]
    async fn run(state: &StateCell, shutdown: CancellationToken) -> Result<u32, TestError> {
        everything.cancel();
        shutdown.cancelled().await;
        Ok(7)
    }

    let (state, token) = (StateCell::new(), CancellationToken::new());
    assert_eq!(start(&state, token.clone()), Err(CANCELLED));
    assert!(token.is_cancelled());

    let (state, token) = (StateCell::new(), CancellationToken::new());
    assert_eq!(now(run(&state, token.clone())), Ok(7), "its own value");
    assert!(token.is_cancelled());
}
