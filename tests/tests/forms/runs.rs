//! Functions that return when the service is over, as the attribute takes starts.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, Work, forms};

impl Service {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        let _seen = shutdown.child_token();
        Ok(value)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_exclusively(&mut self, _shutdown: &CancellationToken) -> Result<u32, TestError> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_by_mutable_value(mut self, shutdown: CancellationToken) -> Result<u32, TestError> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_by_rc(self: Rc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_by_box(self: Box<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_pinned(self: Pin<&Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, state = self.state)]
    async fn run_without_value(&self, shutdown: CancellationToken) {
        self.work.done().await;
    }

    #[cancel_guarded(run, state = self.state)]
    fn run_in_a_box(
        &self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<u32, TestError>> + Send + '_>> {
        Box::pin(async move { Ok(self.work.done().await) })
    }

    #[cancel_guarded(run, state = self.state)]
    #[tracing::instrument(skip_all)]
    async fn run_instrumented(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(run, token = shutdown, state = self.state)]
    async fn run_with_patterns(
        &self,
        (shutdown, ..): (CancellationToken, u32, u32),
    ) -> Result<u32, TestError> {
        let value = self.work.done().await;
        let _seen = shutdown.child_token();
        Ok(value)
    }

    #[cancel_guarded(run, shielded, state = self.state)]
    async fn run_shielded(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

#[cancel_guarded(run, state = state)]
async fn free(
    state: &StateCell,
    work: &Work,
    shutdown: CancellationToken,
) -> Result<u32, TestError> {
    Ok(work.done().await)
}

#[async_trait]
trait Boxed {
    async fn run(&self, shutdown: CancellationToken) -> Result<u32, TestError>;
}

#[async_trait]
impl Boxed for Service {
    #[cancel_guarded(run, state = self.state)]
    async fn run(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

forms! {
    #[check_run] shared: |service, shutdown| service.run(shutdown);
    #[check_run] exclusive: |mut service, shutdown| service.run_exclusively(&shutdown);
    #[check_run] by_mutable_value: |service, shutdown| service.run_by_mutable_value(shutdown);
    #[check_run] by_arc: |service, shutdown| Arc::new(service).run_by_arc(shutdown);
    #[check_local_run] by_rc: |service, shutdown| Rc::new(service).run_by_rc(shutdown);
    #[check_run] by_box: |service, shutdown| Box::new(service).run_by_box(shutdown);
    #[check_run] pinned: |service, shutdown| Pin::new(&service).run_pinned(shutdown);
    #[check_run] without_value: |service, shutdown| service.run_without_value(shutdown);
    #[check_run] in_a_box: |service, shutdown| service.run_in_a_box(shutdown);
    #[check_run] instrumented: |service, shutdown| service.run_instrumented(shutdown);
    #[check_run] with_patterns: |service, shutdown| service.run_with_patterns((shutdown, 0, 0));
    #[check_run] shielded: |service, shutdown| service.run_shielded(shutdown);
    #[check_run] free: |service, shutdown| super::free(&service.state, &service.work, shutdown);
    #[check_run] boxed: |service, shutdown| Boxed::run(&service, shutdown);
}
