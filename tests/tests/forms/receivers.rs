//! The forms of `self`.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, Work, forms};

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn shared(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn shared_for<'a>(&'a self, shutdown: CancellationToken) -> Result<&'a u32, TestError> {
        match self.work.done().await {
            7 => Ok(&7),
            _ => Err(TestError::Own("another value")),
        }
    }

    #[allow(clippy::needless_arbitrary_self_type)]
    #[cancel_guarded(state = self.state)]
    async fn shared_spelled(self: &Self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn exclusive(&mut self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        self.work = self.work.clone();
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_value(self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_mutable_value(mut self, shutdown: CancellationToken) -> Result<u32, TestError> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_shared_arc(
        self: &Arc<Self>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        let _other = Arc::clone(self);
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_rc(self: Rc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_box(self: Box<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_mutable_box(
        mut self: Box<Self>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn pinned(self: Pin<&mut Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn pinned_mutable(
        mut self: Pin<&mut Self>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        let work = self.work.clone();
        self.as_mut().get_mut().work = work;
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn pinned_shared(
        self: Pin<&Self>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_value_moved(self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let moved = self;
        Ok(moved.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_mutable_value_moved(
        mut self,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work = self.work.clone();
        let value = self.work.done().await;
        drop(self);
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_arc_returned(
        self: Arc<Self>,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, TestError> {
        self.work.done().await;
        Ok(self)
    }

    #[cancel_guarded(state = state)]
    async fn associated(
        state: &StateCell,
        work: &Work,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work.done().await)
    }
}

#[cancel_guarded(state = state)]
async fn free(
    state: &StateCell,
    work: &Work,
    shutdown: CancellationToken,
) -> Result<u32, TestError> {
    Ok(work.done().await)
}

#[cancel_guarded(state = service.state)]
async fn free_by_value(service: Service, shutdown: CancellationToken) -> Result<u32, TestError> {
    Ok(service.work.done().await)
}

forms! {
    shared: |service, shutdown| service.shared(shutdown);
    shared_spelled: |service, shutdown| service.shared_spelled(shutdown);
    exclusive: |mut service, shutdown| service.exclusive(shutdown);
    by_value: |service, shutdown| service.by_value(shutdown);
    by_mutable_value: |service, shutdown| service.by_mutable_value(shutdown);
    by_value_moved: |service, shutdown| service.by_value_moved(shutdown);
    by_mutable_value_moved: |service, shutdown| service.by_mutable_value_moved(shutdown);
    by_arc: |service, shutdown| Arc::new(service).by_arc(shutdown);
    by_shared_arc: |service, shutdown| Arc::new(service).by_shared_arc(shutdown);
    #[check_local] by_rc: |service, shutdown| Rc::new(service).by_rc(shutdown);
    by_box: |service, shutdown| Box::new(service).by_box(shutdown);
    by_mutable_box: |service, shutdown| Box::new(service).by_mutable_box(shutdown);
    pinned: |mut service, shutdown| Pin::new(&mut service).pinned(shutdown);
    pinned_mutable: |mut service, shutdown| Pin::new(&mut service).pinned_mutable(shutdown);
    pinned_shared: |service, shutdown| Pin::new(&service).pinned_shared(shutdown);
    associated: |service, shutdown| Service::associated(&service.state, &service.work, shutdown);
    free: |service, shutdown| super::free(&service.state, &service.work, shutdown);
    free_by_value: |service, shutdown| super::free_by_value(service, shutdown);
}

#[test]
fn shared_for() {
    crate::harness::check(|service, shutdown| async move {
        service.shared_for(shutdown).await.copied()
    });
}

/// A service that hands itself on.
#[test]
fn by_arc_returned() {
    crate::harness::check(|service, shutdown| async move {
        let started = Arc::new(service).by_arc_returned(shutdown).await;
        started.map(|service| u32::from(service.state.is_running()) * 7)
    });
}
