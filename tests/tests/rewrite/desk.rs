//! The service of these tests.

use std::future::ready;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, StateCell};
use cancel_guarded_tests::{Log, TestError};
use tokio::sync::Semaphore;

/// The operations that the bodies call.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    pub(crate) state: StateCell,
    /// The lines that have run.
    pub(crate) lines: Log<&'static str>,
    /// The token that `cancels` cancels. It is not a parameter, so that a start has one token
    /// parameter only.
    pub(crate) cancels: Option<CancellationToken>,
    gate: Gate,
}

#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

impl Desk {
    /// A desk whose operations cancel `token`.
    pub(crate) fn that_cancels(token: &CancellationToken) -> Self {
        Self {
            cancels: Some(token.clone()),
            ..Self::default()
        }
    }

    pub(crate) fn line(&self, line: &'static str) {
        self.lines.push(line);
    }

    /// An operation that succeeds without blocking, and cancels the token.
    pub(crate) async fn cancels<T>(&self, value: T) -> T {
        ready(()).await;
        self.cancel_now();
        value
    }

    /// Cancels the token, without an await.
    pub(crate) fn cancel_now(&self) {
        if let Some(token) = &self.cancels {
            token.cancel();
        }
    }

    /// An operation that logs its first poll, and succeeds without blocking.
    pub(crate) async fn begins<T>(&self, value: T) -> T {
        self.line("begun");
        ready(value).await
    }

    /// An operation that waits until the test releases it.
    pub(crate) async fn waits<T>(&self, value: T) -> T {
        let permit = self.gate.0.acquire().await;
        permit.expect("the gate is not closed").forget();
        self.line("done");
        value
    }

    pub(crate) fn go_on(&self) {
        self.gate.0.add_permits(1);
    }
}

pub(crate) type Returns = Result<u32, TestError>;

/// Bodies that are cancelled by an operation which itself succeeds. They run up to the line that is
/// named last; without the cancellation, they run to their end.
macro_rules! rechecked {
    ($($name:ident runs [$($line:literal),*] of [$($all:literal),*] $desk:ident { $($body:tt)* })*) => {
        $(
            #[test]
            fn $name() {
                use cancel_guarded::{CancellationToken, Lifecycle, cancel_guarded};
                use $crate::desk::{Desk, Returns};

                #[cancel_guarded(start, state = $desk.state)]
                async fn start($desk: &Desk, shutdown: CancellationToken) -> Returns {
                    $($body)*
                }

                let desk = Desk::default();
                let started = cancel_guarded_tests::now(start(&desk, CancellationToken::new()));
                assert_eq!(started, Ok(7), "not cancelled");
                assert_eq!(desk.lines.all(), [$($all),*] as [&str; _], "not cancelled");

                let token = CancellationToken::new();
                let desk = Desk::that_cancels(&token);
                let refused = cancel_guarded_tests::now(start(&desk, token));
                assert_eq!(refused, Err(cancel_guarded_tests::CANCELLED), "cancelled");
                assert_eq!(desk.lines.all(), [$($line),*] as [&str; _], "cancelled");
                assert_eq!(desk.state.state(), Lifecycle::Failed);
            }
        )*
    };
}

pub(crate) use rechecked;
