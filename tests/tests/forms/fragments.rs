//! Functions that a `macro_rules` writes, from fragments that arrive in invisible groups.

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, Work, forms};

/// The type, the state, the return type and the body are fragments.
macro_rules! written {
    ($name:ident, $param:ident: $token:ty, $state:expr, $self:ident, $ret:ty, { $($body:tt)* }) => {
        impl Service {
            #[cancel_guarded(state = $state)]
            async fn $name(&$self, $param: $token) -> $ret { $($body)* }
        }
    };
}

written!(
    written_body,
    shutdown: CancellationToken,
    self.state,
    self,
    Result<u32, TestError>,
    { Ok(self.work.done().await) }
);
written!(
    written_naming_the_token,
    shutdown: CancellationToken,
    self.state,
    self,
    Result<u32, TestError>,
    {
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(self.work.done().await)
    }
);

/// The macro only adds the attribute.
macro_rules! guarded {
    ($state:ident: $($item:tt)*) => {
        #[cancel_guarded(state = $state)]
        $($item)*
    };
}

guarded! {
    state:
    async fn written_around(
        state: &StateCell,
        work: &Work,
        shutdown: &CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work.done().await)
    }
}

/// The awaited expressions are fragments.
macro_rules! awaits {
    ($name:ident, $operand:expr, $value:expr) => {
        #[cancel_guarded(state = service.state)]
        async fn $name(service: &Service, shutdown: CancellationToken) -> Result<u32, TestError> {
            $operand(service).await;
            Ok($value)
        }
    };
}

async fn done(service: &Service) -> u32 {
    service.work.done().await
}

awaits!(written_operand, done, 3 + 4);

/// The statements of the body are fragments.
macro_rules! steps {
    ($name:ident, $service:ident: $($step:stmt;)*) => {
        #[cancel_guarded(state = $service.state)]
        async fn $name($service: &Service, shutdown: CancellationToken) -> Result<u32, TestError> {
            $($step;)*
            drop(shutdown);
            Ok(7)
        }
    };
}

steps!(written_steps, service: let value = service.work.done().await; assert_eq!(value, 7););

/// One of the statements is shielded, and one spawns a task.
macro_rules! run_of_steps {
    ($name:ident, $service:ident: $($step:stmt;)*) => {
        #[cancel_guarded(run, state = $service.state)]
        async fn $name($service: &Service, shutdown: CancellationToken) -> Result<u32, TestError> {
            $($step;)*
            #[shielded]
            let value = $service.work.done().await;
            drop(shutdown);
            Ok(value)
        }
    };
}

run_of_steps!(written_run, service: let _one = std::future::ready(1).await; drop(service.clone()););

/// The whole body is one block.
macro_rules! block {
    ($name:ident, $service:ident, $body:block) => {
        #[cancel_guarded(state = $service.state)]
        fn $name($service: &Service, shutdown: CancellationToken) -> Result<u32, TestError> $body
    };
}

block!(written_block, service, { Ok(service.work.done_now()) });

forms! {
    written_body: |service, shutdown| service.written_body(shutdown);
    written_naming_the_token: |service, shutdown| service.written_naming_the_token(shutdown);
    written_around: |service, shutdown| super::written_around(&service.state, &service.work, &shutdown);
    written_operand: |service, shutdown| super::written_operand(&service, shutdown);
    written_steps: |service, shutdown| super::written_steps(&service, shutdown);
    #[check_run] written_run: |service, shutdown| super::written_run(&service, shutdown);
}

#[test]
fn written_sync_block() {
    crate::harness::check_sync(|service, shutdown| written_block(&service, shutdown));
}
