//! Methods of traits: native, default, and under `#[async_trait]`.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, Work, forms};

trait Parts {
    fn state(&self) -> &StateCell;
    fn work(&self) -> &Work;
}

impl Parts for Service {
    fn state(&self) -> &StateCell {
        &self.state
    }

    fn work(&self) -> &Work {
        &self.work
    }
}

/// Native methods, declared without a guard and implemented with one.
trait Native {
    type Error;

    async fn declared(&self, shutdown: CancellationToken) -> Result<u32, Self::Error>;
    async fn exclusive(&mut self, shutdown: &CancellationToken) -> Result<u32, TestError>;
    fn sendable(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> + Send;
    fn refined(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> + Send;
}

impl Native for Service {
    type Error = TestError;

    #[cancel_guarded(state = self.state)]
    async fn declared(&self, shutdown: CancellationToken) -> Result<u32, Self::Error> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn exclusive(&mut self, shutdown: &CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn sendable(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    fn refined(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> + Send {
        async move { Ok(self.work.done().await) }
    }
}

/// Native default bodies.
trait Defaults: Parts {
    #[cancel_guarded(state = self.state())]
    async fn default(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work().done().await)
    }

    #[cancel_guarded(state = self.state())]
    async fn default_by_value(self, shutdown: CancellationToken) -> Result<u32, TestError>
    where
        Self: Sized,
    {
        Ok(self.work().done().await)
    }

    #[cancel_guarded(state = self.state())]
    fn default_future(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> + Send
    where
        Self: Sync,
    {
        async move { Ok(self.work().done().await) }
    }
}

impl Defaults for Service {}

#[async_trait]
trait Boxed: Parts + Send + Sync {
    type Error: From<StartError> + std::fmt::Display;

    async fn shared(&self, shutdown: CancellationToken) -> Result<u32, Self::Error>;
    async fn exclusive(&mut self, shutdown: &CancellationToken) -> Result<u32, TestError>;
    async fn by_value(mut self, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn by_box(self: Box<Self>, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn unit(&self, shutdown: CancellationToken);
    async fn generic<'a, T>(
        &self,
        values: (T, &'a str),
        shutdown: Option<&'a CancellationToken>,
    ) -> anyhow::Result<T>
    where
        T: Send + 'a,
        Self: Sized;
    async fn associated(
        state: StateCell,
        work: Work,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError>
    where
        Self: Sized;
    async fn patterns(
        &self,
        mut number: u32,
        values: (u32, String),
        unnamed: String,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError>;

    #[cancel_guarded(state = self.state())]
    async fn default(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work().done().await)
    }
}

#[async_trait]
impl Boxed for Service {
    type Error = TestError;

    #[cancel_guarded(state = self.state)]
    async fn shared(&self, shutdown: CancellationToken) -> Result<u32, Self::Error> {
        let value = self.work.done().await;
        value.checked_add(0).ok_or(StartError::Cancelled)?;
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn exclusive(&mut self, shutdown: &CancellationToken) -> Result<u32, TestError> {
        self.work = self.work.clone();
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_value(mut self, shutdown: CancellationToken) -> Result<u32, TestError> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_box(self: Box<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn unit(&self, shutdown: CancellationToken) {
        self.work.done().await;
    }

    #[cancel_guarded(state = self.state)]
    async fn generic<'a, T>(
        &self,
        (value, name): (T, &'a str),
        shutdown: Option<&'a CancellationToken>,
    ) -> anyhow::Result<T>
    where
        T: Send + 'a,
    {
        self.work.done().await;
        anyhow::ensure!(name == "name", "the parameter arrives");
        anyhow::ensure!(shutdown.is_some(), "the token arrives");
        Ok(value)
    }

    #[cancel_guarded(state = state)]
    async fn associated(
        state: StateCell,
        work: Work,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn patterns(
        &self,
        mut number: u32,
        (left, _): (u32, String),
        _: String,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        number += left;
        self.work.done().await;
        Ok(number)
    }
}

#[async_trait(?Send)]
trait BoxedLocally: Parts {
    async fn shared(&self, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn by_rc(self: Rc<Self>, shutdown: CancellationToken) -> Result<u32, TestError>;

    #[cancel_guarded(state = self.state())]
    async fn default(&self, shutdown: &CancellationToken) -> Result<u32, TestError> {
        let local = Rc::new(0);
        let value = self.work().done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value + *local)
    }
}

#[async_trait(?Send)]
impl BoxedLocally for Service {
    #[cancel_guarded(state = self.state)]
    async fn shared(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let local = Rc::new(0);
        Ok(self.work.done().await + *local)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_rc(self: Rc<Self>, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

mod native {
    use super::*;

    forms! {
        declared: |service, shutdown| Native::declared(&service, shutdown);
        exclusive: |mut service, shutdown| Native::exclusive(&mut service, &shutdown);
        sendable: |service, shutdown| Native::sendable(&service, shutdown);
        refined: |service, shutdown| Native::refined(&service, shutdown);
        default: |service, shutdown| Defaults::default(&service, shutdown);
        default_by_value: |service, shutdown| Defaults::default_by_value(service, shutdown);
        default_future: |service, shutdown| Defaults::default_future(&service, shutdown);
    }
}

mod boxed {
    use super::*;

    forms! {
        shared: |service, shutdown| Boxed::shared(&service, shutdown);
        exclusive: |mut service, shutdown| Boxed::exclusive(&mut service, &shutdown);
        by_value: |service, shutdown| Boxed::by_value(service, shutdown);
        by_box: |service, shutdown| Boxed::by_box(Box::new(service), shutdown);
        by_arc: |service, shutdown| Boxed::by_arc(Arc::new(service), shutdown);
        unit: |service, shutdown| Boxed::unit(&service, shutdown);
        generic: |service, shutdown| Boxed::generic(&service, (7_u32, "name"), Some(&shutdown));
        associated: |service, shutdown| <Service as Boxed>::associated(service.state, service.work, shutdown);
        patterns: |service, shutdown| Boxed::patterns(&service, 3, (4, String::new()), String::new(), shutdown);
        default: |service, shutdown| Boxed::default(&service, shutdown);
    }

    #[test]
    fn through_dyn() {
        crate::harness::check(|service, shutdown| async move {
            let service: Box<dyn Boxed<Error = TestError>> = Box::new(service);
            service.shared(shutdown).await
        });
    }
}

mod boxed_locally {
    use super::*;

    forms! {
        #[check_local] shared: |service, shutdown| BoxedLocally::shared(&service, shutdown);
        #[check_local] by_rc: |service, shutdown| BoxedLocally::by_rc(Rc::new(service), shutdown);
        #[check_local] default: |service, shutdown| BoxedLocally::default(&service, &shutdown);
    }
}
