//! The start as the attribute writes it.

use std::future::Future;
use std::hint::black_box;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

use super::by_hand::{borrowed, owned};
use super::{Contestant, come_up};

#[cancel_guarded(state = state)]
async fn by_reference(state: &StateCell, token: &CancellationToken) -> Result<(), StartError> {
    come_up().await
}

#[cancel_guarded(state = state)]
async fn by_value(state: &StateCell, token: CancellationToken) -> Result<(), StartError> {
    come_up().await
}

#[cancel_guarded(state = state)]
async fn with_child(state: &StateCell, token: CancellationToken) -> Result<(), StartError> {
    black_box(&token);
    come_up().await
}

pub(crate) struct Guarded;

impl Contestant for Guarded {
    const NAME: &'static str = "guarded";
    type Service = StateCell;

    fn service() -> StateCell {
        StateCell::new()
    }

    fn start(
        state: &StateCell,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>> {
        by_reference(state, borrowed(token))
    }

    fn is_running(state: &StateCell) -> bool {
        state.is_running()
    }
}

pub(crate) struct GuardedByValue;

impl Contestant for GuardedByValue {
    const NAME: &'static str = "guarded, token by value";
    type Service = StateCell;

    fn service() -> StateCell {
        StateCell::new()
    }

    fn start(
        state: &StateCell,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>> {
        by_value(state, owned(token))
    }

    fn is_running(state: &StateCell) -> bool {
        state.is_running()
    }
}

/// A body that names its token sees a child of it.
pub(crate) struct GuardedWithChild;

impl Contestant for GuardedWithChild {
    const NAME: &'static str = "guarded, token used by the body";
    type Service = StateCell;

    fn service() -> StateCell {
        StateCell::new()
    }

    fn start(
        state: &StateCell,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>> {
        with_child(state, owned(token))
    }

    fn is_running(state: &StateCell) -> bool {
        state.is_running()
    }
}
