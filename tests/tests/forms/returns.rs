//! Return types, recognised by trait and not by spelling.

use std::error::Error;

use cancel_guarded::{
    CancellationToken, Failure, FromStartError, Outcome, StartError, cancel_guarded,
};
use cancel_guarded_tests::TestError;

use crate::harness::{IntoReply, Reply, Service, forms};

type Result<T, E = TestError> = std::result::Result<T, E>;
type Started = std::result::Result<u32, StartError>;
type Nothing = ();

/// A user's return type that can carry a refusal.
enum Own {
    Up(u32),
    Down(String),
}

impl Outcome for Own {
    fn failure(&self) -> Option<Failure> {
        match self {
            Self::Up(_) => None,
            Self::Down(message) => Some(Failure::new(message)),
        }
    }
}

impl FromStartError for Own {
    fn from_start_error(error: StartError) -> Self {
        Self::Down(error.to_string())
    }
}

impl IntoReply for Own {
    fn into_reply(self) -> Reply {
        match self {
            Self::Up(value) => Reply::Value(value),
            Self::Down(message) => Reply::Refused(message),
        }
    }
}

/// A return type that is an associated type.
trait Returns {
    type Output;
}

impl Returns for Service {
    type Output = Result<u32>;
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn own_alias(&self, shutdown: CancellationToken) -> Result<u32> {
        let value = self.work.done().await;
        value.checked_add(0).ok_or(TestError::Own("an overflow"))
    }

    #[cancel_guarded(state = self.state)]
    async fn own_alias_with_error(&self, shutdown: CancellationToken) -> Result<u32, StartError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn whole_alias(&self, shutdown: CancellationToken) -> Started {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn anyhow(&self, shutdown: CancellationToken) -> anyhow::Result<u32> {
        let value = self.work.done().await;
        let text: u32 = "7".parse()?;
        anyhow::ensure!(value == text, "another value: {value}");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn eyre(&self, shutdown: CancellationToken) -> eyre::Result<u32> {
        use eyre::WrapErr as _;
        let value = self.work.done().await;
        let text: u32 = "7".parse().wrap_err("a number")?;
        eyre::ensure!(value == text, "another value: {value}");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn io(&self, shutdown: CancellationToken) -> std::io::Result<u32> {
        let value = self.work.done().await;
        std::fs::exists(".")?;
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn boxed_error(
        &self,
        shutdown: CancellationToken,
    ) -> std::result::Result<u32, Box<dyn Error + Send + Sync>> {
        let value = self.work.done().await;
        let text: u32 = "7".parse()?;
        if value == text {
            Ok(value)
        } else {
            Err("another value".into())
        }
    }

    #[cancel_guarded(state = self.state)]
    async fn local_error(
        &self,
        shutdown: CancellationToken,
    ) -> core::result::Result<u32, Box<dyn Error>> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn option(&self, shutdown: CancellationToken) -> Option<u32> {
        let value = self.work.done().await;
        value.checked_add(0)?;
        Some(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn unit(&self, shutdown: CancellationToken) {
        self.work.done().await;
    }

    #[cancel_guarded(state = self.state)]
    async fn spelled_unit(&self, shutdown: CancellationToken) -> () {
        self.work.done().await;
    }

    #[cancel_guarded(state = self.state)]
    async fn aliased_unit(&self, shutdown: CancellationToken) -> Nothing {
        self.work.done().await;
    }

    #[cancel_guarded(state = self.state)]
    async fn unit_result(&self, shutdown: CancellationToken) -> Result<()> {
        self.work.done().await;
        Ok(())
    }

    #[cancel_guarded(state = self.state)]
    async fn own_type(&self, shutdown: CancellationToken) -> Own {
        Own::Up(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn associated_type(&self, shutdown: CancellationToken) -> <Self as Returns>::Output {
        Ok(self.work.done().await)
    }
}

forms! {
    own_alias: |service, shutdown| service.own_alias(shutdown);
    own_alias_with_error: |service, shutdown| service.own_alias_with_error(shutdown);
    whole_alias: |service, shutdown| service.whole_alias(shutdown);
    anyhow: |service, shutdown| service.anyhow(shutdown);
    eyre: |service, shutdown| service.eyre(shutdown);
    io: |service, shutdown| service.io(shutdown);
    boxed_error: |service, shutdown| service.boxed_error(shutdown);
    #[check_local] local_error: |service, shutdown| service.local_error(shutdown);
    option: |service, shutdown| service.option(shutdown);
    unit: |service, shutdown| service.unit(shutdown);
    spelled_unit: |service, shutdown| service.spelled_unit(shutdown);
    aliased_unit: |service, shutdown| service.aliased_unit(shutdown);
    own_type: |service, shutdown| service.own_type(shutdown);
    associated_type: |service, shutdown| service.associated_type(shutdown);
}

#[test]
fn unit_result() {
    crate::harness::check(|service, shutdown| async move {
        service.unit_result(shutdown).await.map(|()| 7)
    });
}

/// A refusal keeps its type inside errors that erase types.
#[test]
fn erased_errors_carry_the_refusal() {
    let cancelled = || {
        let token = CancellationToken::new();
        token.cancel();
        token
    };
    let anyhow = cancel_guarded_tests::now(Service::new().anyhow(cancelled()));
    let anyhow = anyhow.expect_err("refused");
    assert_eq!(anyhow.downcast_ref(), Some(&StartError::Cancelled));
    let eyre = cancel_guarded_tests::now(Service::new().eyre(cancelled()));
    let eyre = eyre.expect_err("refused");
    assert_eq!(eyre.downcast_ref(), Some(&StartError::Cancelled));
    let io = cancel_guarded_tests::now(Service::new().io(cancelled())).expect_err("refused");
    assert_eq!(io.kind(), std::io::ErrorKind::Other);
    let inner = io.get_ref().and_then(|inner| inner.downcast_ref());
    assert_eq!(inner, Some(&StartError::Cancelled));
}
