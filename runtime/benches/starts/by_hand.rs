//! Starts as people write them.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, StartError};

use super::{Contestant, come_up};
use crate::by_hand::{Atomic, FAILED, RUNNING, careful, watch};

/// Nothing but the body.
pub(crate) struct Bare;

impl Contestant for Bare {
    const NAME: &'static str = "bare body";
    type Service = Atomic;

    fn service() -> Atomic {
        Atomic::default()
    }

    async fn start(state: &Atomic, _: &mut Option<CancellationToken>) -> Result<(), StartError> {
        come_up().await?;
        state.store(RUNNING);
        Ok(())
    }

    fn is_running(state: &Atomic) -> bool {
        state.load() == RUNNING
    }
}

/// tokio-util's combinator, and then a store.
pub(crate) struct RunUntilCancelled;

impl Contestant for RunUntilCancelled {
    const NAME: &'static str = "`run_until_cancelled` + store";
    type Service = Atomic;

    fn service() -> Atomic {
        Atomic::default()
    }

    async fn start(
        state: &Atomic,
        token: &mut Option<CancellationToken>,
    ) -> Result<(), StartError> {
        let Some(result) = borrowed(token).run_until_cancelled(come_up()).await else {
            state.store(FAILED);
            return Err(StartError::Cancelled);
        };
        if result.is_err() {
            state.store(FAILED);
            return result;
        }
        state.store(RUNNING);
        Ok(())
    }

    fn is_running(state: &Atomic) -> bool {
        state.load() == RUNNING
    }
}

/// The careful start, with a token that is borrowed.
pub(crate) struct ByHand;

impl Contestant for ByHand {
    const NAME: &'static str = "(a) by hand";
    type Service = Atomic;

    fn service() -> Atomic {
        Atomic::default()
    }

    fn start(
        state: &Atomic,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>> {
        careful(state, borrowed(token), come_up())
    }

    fn is_running(state: &Atomic) -> bool {
        state.load() == RUNNING
    }
}

/// The careful start, with a token of its own.
pub(crate) struct ByHandByValue;

impl Contestant for ByHandByValue {
    const NAME: &'static str = "(a) by hand, token by value";
    type Service = Atomic;

    fn service() -> Atomic {
        Atomic::default()
    }

    async fn start(
        state: &Atomic,
        token: &mut Option<CancellationToken>,
    ) -> Result<(), StartError> {
        let token = owned(token);
        careful(state, &token, come_up()).await
    }

    fn is_running(state: &Atomic) -> bool {
        state.load() == RUNNING
    }
}

/// The careful start, and a task that watches the token.
pub(crate) async fn watched<T, E>(
    state: &Arc<Atomic>,
    token: &CancellationToken,
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, E>
where
    E: From<StartError>,
{
    let value = careful(state, token, body).await?;
    tokio::spawn(watch(Arc::clone(state), token.clone()));
    Ok(value)
}

/// The same as a contestant.
pub(crate) struct Watched;

impl Contestant for Watched {
    const NAME: &'static str = "(b) by hand + watcher task";
    const SPAWNS: bool = true;
    type Service = Arc<Atomic>;

    fn service() -> Arc<Atomic> {
        Arc::default()
    }

    fn start(
        state: &Arc<Atomic>,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>> {
        watched(state, borrowed(token), come_up())
    }

    fn is_running(state: &Arc<Atomic>) -> bool {
        state.load() == RUNNING
    }
}

/// [`Watched`] with a token of this service alone: the least that can end it without the others.
pub(crate) struct WatchedWithChild;

impl Contestant for WatchedWithChild {
    const NAME: &'static str = "(b) with a child token";
    const SPAWNS: bool = true;
    type Service = Arc<Atomic>;

    fn service() -> Arc<Atomic> {
        Arc::default()
    }

    async fn start(
        state: &Arc<Atomic>,
        token: &mut Option<CancellationToken>,
    ) -> Result<(), StartError> {
        let token = owned(token).child_token();
        let body = async {
            black_box(&token);
            come_up().await
        };
        watched(state, &token, body).await
    }

    fn is_running(state: &Arc<Atomic>) -> bool {
        state.load() == RUNNING
    }
}

pub(super) fn borrowed(token: &mut Option<CancellationToken>) -> &CancellationToken {
    token.as_ref().expect("a token is there until it is taken")
}

pub(super) fn owned(token: &mut Option<CancellationToken>) -> CancellationToken {
    token.take().expect("a service is started once")
}
