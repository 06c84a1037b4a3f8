//! The same start in several hands, and a batch of them to measure.
//!
//! Every contestant does what a careful person would write, on the same body, which is ready at
//! once. States and tokens are made before the measured part begins. One token is shared by the
//! services of a batch, as an application's shutdown token is.

pub(crate) mod by_hand;
pub(crate) mod guarded;
pub(crate) mod hook;

use std::future::Future;
use std::hint::black_box;

use cancel_guarded::{CancellationToken, StartError};
use tokio::task::yield_now;

/// One way to write a start.
pub(crate) trait Contestant {
    const NAME: &'static str;
    /// Whether a start leaves a task with the runtime.
    const SPAWNS: bool = false;

    /// What is started; for a state that is made beforehand.
    type Service;

    fn service() -> Self::Service;

    /// Starts `service`. A start that takes its token by value takes it out of `token`.
    fn start(
        service: &Self::Service,
        token: &mut Option<CancellationToken>,
    ) -> impl Future<Output = Result<(), StartError>>;

    fn is_running(service: &Self::Service) -> bool;
}

/// The body of every contestant.
async fn come_up() -> Result<(), StartError> {
    black_box(Ok(()))
}

/// How many starts there are between two turns of the runtime: fewer tasks than it polls in one.
const TURN: usize = 60;

/// Services that are ready to be started under one token.
pub(crate) struct Batch<C: Contestant> {
    shutdown: CancellationToken,
    services: Vec<(C::Service, Option<CancellationToken>)>,
}

impl<C: Contestant> Batch<C> {
    pub(crate) fn new(services: usize) -> Self {
        Self::under(CancellationToken::new(), services)
    }

    pub(crate) fn under(shutdown: CancellationToken, services: usize) -> Self {
        let services = (0..services)
            .map(|_| (C::service(), Some(shutdown.clone())))
            .collect();
        Self { shutdown, services }
    }

    /// Services under a token that is already cancelled.
    pub(crate) fn cancelled(services: usize) -> Self {
        let batch = Self::new(services);
        batch.shutdown.cancel();
        batch
    }

    /// Starts the last `count` services. The tasks that they leave get their first turn, in
    /// which they register what they wait for.
    pub(crate) async fn start(&mut self, count: usize) {
        let first = self.services.len() - count;
        for services in self.services[first..].chunks_mut(TURN) {
            for (service, token) in services {
                let _ = black_box(C::start(service, token).await);
            }
            if C::SPAWNS {
                yield_now().await;
            }
        }
    }

    /// Cancels the token, and drops the last `count` services and what their starts have left.
    pub(crate) async fn end(&mut self, count: usize) {
        self.shutdown.cancel();
        if C::SPAWNS {
            for _ in (0..count).step_by(TURN) {
                yield_now().await;
            }
        }
        self.services.truncate(self.services.len() - count);
    }

    /// How many services are up.
    pub(crate) fn running(&self) -> usize {
        let running = |(service, _): &&(C::Service, _)| C::is_running(service);
        self.services.iter().filter(running).count()
    }
}

/// The names of all contestants, each with a function of its own.
macro_rules! each_start {
    ($function:ident) => {
        each_start!(
            $function,
            by_hand::Bare,
            by_hand::RunUntilCancelled,
            by_hand::ByHand,
            by_hand::ByHandByValue,
            by_hand::Watched,
            by_hand::WatchedWithChild,
            hook::HookAlone,
            guarded::Guarded,
            guarded::GuardedByValue,
            guarded::GuardedWithChild
        )
    };
    ($function:ident, $($module:ident::$contestant:ident),+) => {
        [$((
            <$crate::starts::$module::$contestant as $crate::starts::Contestant>::NAME,
            $function::<$crate::starts::$module::$contestant> as fn(_) -> _,
        )),+]
    };
}
pub(crate) use each_start;
