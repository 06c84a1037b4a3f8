//! The expressions of `state =` and `token =`: statics, and pointers to a cell or a token.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, TestError, now};

use crate::harness::{Service, Work, forms};

/// A start whose cell arrives in one form.
macro_rules! cells {
    ($($(#[$check:ident])? $name:ident: $cell:ty, |$service:ident| $given:expr;)*) => {
        mod cell {
            use super::*;

            $(
                #[cancel_guarded(state = state)]
                async fn $name(
                    state: $cell,
                    work: Work,
                    shutdown: CancellationToken,
                ) -> Result<u32, TestError> {
                    assert!(!state.is_running(), "the body may use it");
                    Ok(work.done().await)
                }
            )*

            forms! {
                $($(#[$check])? $name: |$service, shutdown| super::$name($given, $service.work, shutdown);)*
            }
        }
    };
}

cells! {
    by_value: StateCell, |service| service.state;
    by_reference: &StateCell, |service| &service.state;
    by_mutable_reference: &mut StateCell, |service| &mut { service.state };
    by_arc: Arc<StateCell>, |service| Arc::new(service.state);
    #[check_local] by_rc: Rc<StateCell>, |service| Rc::new(service.state);
    by_box: Box<StateCell>, |service| Box::new(service.state);
    by_reference_to_an_arc: &Arc<StateCell>, |service| &Arc::new(service.state);
}

/// A start whose token arrives in one form that is not in `tokens.rs`, and is picked by its name.
macro_rules! tokens {
    ($($(#[$check:ident])? $name:ident: $token:ty, |$token_value:ident| $given:expr;)*) => {
        mod token {
            use super::*;

            $(
                #[cancel_guarded(token = shutdown, state = state)]
                async fn $name(
                    state: StateCell,
                    work: Work,
                    shutdown: $token,
                ) -> Result<u32, TestError> {
                    let value = work.done().await;
                    assert!(!shutdown.is_cancelled(), "the body sees a live token");
                    Ok(value)
                }
            )*

            forms! {
                $($(#[$check])? $name: |service, $token_value| super::$name(service.state, service.work, $given);)*
            }
        }
    };
}

tokens! {
    by_mutable_reference: &mut CancellationToken, |token| &mut { token };
    #[check_local] by_rc: Rc<CancellationToken>, |token| Rc::new(token);
    by_box: Box<CancellationToken>, |token| Box::new(token);
    by_reference_to_a_box: &Box<CancellationToken>, |token| &Box::new(token);
}

static STATE: LazyLock<StateCell> = LazyLock::new(StateCell::new);
static SHUTDOWN: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);
static OPTIONAL: LazyLock<Option<CancellationToken>> = LazyLock::new(|| None);

/// A service and a token that are statics.
#[test]
fn statics() {
    #[cancel_guarded(token = SHUTDOWN, state = STATE)]
    async fn start() -> Result<u32, TestError> {
        assert!(!SHUTDOWN.is_cancelled());
        Ok(std::future::ready(7).await)
    }
    #[cancel_guarded(token = OPTIONAL, state = STATE)]
    async fn again() -> Result<u32, TestError> {
        Ok(7)
    }
    #[cancel_guarded(token = SHUTDOWN)]
    fn without_a_state() -> Result<u32, TestError> {
        Ok(7)
    }

    assert_eq!(now(start()), Ok(7));
    assert!(STATE.is_running());
    let refused = now(again()).expect_err("it runs");
    let running = StartError::NotStartable { state: "Running" };
    assert_eq!(refused, TestError::Refused(running));
    assert_eq!(without_a_state(), Ok(7));
    SHUTDOWN.cancel();
    assert!(!STATE.is_running());
    assert_eq!(without_a_state(), Err(CANCELLED));
}

/// A field of a service behind a pointer, and a cell that a service shares.
struct Shared {
    state: Arc<StateCell>,
    work: Box<Work>,
    shutdown: Rc<CancellationToken>,
}

impl Shared {
    #[cancel_guarded(token = self.shutdown, state = self.state)]
    async fn start(&self) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

forms! {
    #[check_local] fields: |service, shutdown| {
        let shared = Shared {
            state: Arc::new(service.state),
            work: Box::new(service.work),
            shutdown: Rc::new(shutdown),
        };
        async move { shared.start().await }
    };
    by_a_service_in_an_arc: |service, shutdown| {
        let service = Arc::new(service);
        async move { in_an_arc(&service, &shutdown).await }
    };
}

#[cancel_guarded(state = service.state)]
async fn in_an_arc(service: &Arc<Service>, shutdown: &CancellationToken) -> Result<u32, TestError> {
    Ok(service.work.done().await)
}
