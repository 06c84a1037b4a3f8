//! The token that the body sees: a child of the caller's, or the caller's own.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::{Flag, Log, TestError, now};
use tokio_test::{assert_pending, task};

use crate::desk::Returns;

use Lifecycle::Stopped;

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

macro_rules! shows_behind {
    ($($pointer:ty),*) => {$(
        impl<T: Shows + ?Sized> Shows for $pointer {
            fn shown(&self) -> Option<CancellationToken> {
                T::shown(self)
            }
        }
    )*};
}

shows_behind!(&T, &mut T, Arc<T>, Rc<T>, Box<T>);

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
    assert_eq!(seer.state.state(), Stopped, "and this service it does stop");

    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller.clone())), Ok(7));
    caller.cancel();
    assert!(seer.token().is_cancelled(), "the caller's cancels it");
    assert_eq!(seer.state.state(), Stopped);

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
    assert_eq!(seer.state.state(), Stopped, "and guards the service");
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
    by_rc: Rc<CancellationToken>, |caller| Rc::new(caller);
    by_box: Box<CancellationToken>, |caller| Box::new(caller);
    by_shared_box: &Box<CancellationToken>, |caller| &Box::new(caller);
    by_mutable_reference: &mut CancellationToken, |caller| &mut { caller };
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

/// `token = PARAM` picks one of several, or one whose type does not say that it is a token.
#[test]
fn a_picked_parameter_is_a_child() {
    type Token = CancellationToken;

    #[cancel_guarded(token = shutdown, state = seer.state)]
    async fn one_of_two(
        seer: &Seer,
        other: CancellationToken,
        shutdown: CancellationToken,
    ) -> Returns {
        other.cancel();
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = shutdown, state = seer.state)]
    async fn by_alias(seer: &Seer, shutdown: &Token) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = shutdown, state = seer.state)]
    fn pinned(seer: &Seer, shutdown: Token) -> Started<'_> {
        Box::pin(async move { seer.sees(shutdown).await })
    }
    sees_a_child(|seer, caller| Box::pin(one_of_two(seer, CancellationToken::new(), caller)));
    sees_a_child(|seer, caller| Box::pin(async move { by_alias(seer, &caller).await }));
    sees_a_child(pinned);
}

/// With any other `token = EXPR` the body's parameters stay the caller's own.
#[test]
fn a_given_token_is_the_callers_own() {
    #[cancel_guarded(token = &shutdown, state = seer.state)]
    async fn by_value(seer: &Seer, shutdown: CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = *shutdown, state = seer.state)]
    async fn by_reference(seer: &Seer, shutdown: &CancellationToken) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = shutdown.clone(), state = seer.state)]
    async fn optional(seer: &Seer, shutdown: Option<Arc<CancellationToken>>) -> Returns {
        seer.sees(shutdown).await
    }
    #[cancel_guarded(token = tokens[0], state = seer.state)]
    async fn within(seer: &Seer, tokens: [CancellationToken; 1]) -> Returns {
        seer.sees(&tokens[0]).await
    }
    #[cancel_guarded(token = &shutdown, state = seer.state)]
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
    #[cancel_guarded(token = &shutdown)]
    async fn start(shutdown: &CancellationToken) -> Result<&CancellationToken, TestError> {
        Ok(ready(shutdown).await)
    }
    let token = CancellationToken::new();
    let returned = now(start(&token)).expect("it starts");
    assert!(std::ptr::eq(returned, &raw const token));
}

/// A token that a body makes with `child_token()` is its own to cancel.
#[test]
fn a_child_that_the_body_makes_may_be_cancelled() {
    #[cancel_guarded(state = seer.state)]
    async fn start(seer: &Seer, shutdown: CancellationToken) -> Returns {
        let task = shutdown.child_token();
        task.cancel();
        drop(shutdown.child_token().drop_guard());
        assert!(!shutdown.is_cancelled());
        seer.sees(shutdown).await
    }
    let (seer, caller) = (Seer::default(), CancellationToken::new());
    assert_eq!(now(start(&seer, caller)), Ok(7));
    assert!(seer.state.is_running());
}
