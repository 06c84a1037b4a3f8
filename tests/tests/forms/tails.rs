//! Functions that are not `async` and end in a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;
use futures::future::{BoxFuture, LocalBoxFuture};

use crate::harness::{Service, Work, forms};

type Started = Result<u32, TestError>;
type Starting<'a> = Pin<Box<dyn Future<Output = Result<u32, TestError>> + Send + 'a>>;

impl Service {
    #[cancel_guarded(state = self.state)]
    fn ends_in_async_move(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> {
        async move { Ok(self.work.done().await) }
    }

    #[cancel_guarded(state = self.state)]
    fn ends_in_async(&self, shutdown: CancellationToken) -> impl Future<Output = Started> + Send {
        async { Ok(self.work.done().await) }
    }

    #[cancel_guarded(state = self.state)]
    fn ends_in_box_pin(
        &self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Started> + Send + '_>> {
        Box::pin(async move { Ok(self.work.done().await) })
    }

    #[cancel_guarded(state = self.state)]
    fn ends_in_spelled_box_pin(&self, shutdown: CancellationToken) -> Starting<'_> {
        ::std::boxed::Box::pin(async { Ok(self.work.done().await) })
    }

    #[cancel_guarded(state = self.state)]
    fn boxed_by_alias(&self, shutdown: CancellationToken) -> BoxFuture<'_, Result<u32, TestError>> {
        Box::pin(async move {
            let value = self.work.done().await;
            Ok(value)
        })
    }

    #[cancel_guarded(state = self.state)]
    fn boxed_by_alias_with_question(
        &self,
        shutdown: CancellationToken,
    ) -> BoxFuture<'_, Result<u32, TestError>> {
        Box::pin(async move {
            let value = self.work.done().await;
            value.checked_add(0).ok_or(TestError::Own("an overflow"))?;
            Ok(value)
        })
    }

    #[cancel_guarded(state = self.state)]
    fn boxed_locally(&self, shutdown: CancellationToken) -> LocalBoxFuture<'_, Started> {
        let local = std::rc::Rc::new(0);
        Box::pin(async move { Ok(self.work.done().await + *local) })
    }

    #[cancel_guarded(state = self.state)]
    fn names_the_token(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Started> + use<'_> {
        async move {
            let value = self.work.done().await;
            assert!(!shutdown.is_cancelled(), "the body sees a live token");
            Ok(value)
        }
    }

    #[cancel_guarded(state = self.state)]
    fn with_a_prologue(
        &self,
        (left, right): (u32, u32),
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<u32, TestError>> {
        let sum = left + right;
        let work = self.work.clone();
        async move {
            work.done().await;
            let _seen = shutdown.child_token();
            Ok(sum)
        }
    }

    #[cancel_guarded(state = self.state)]
    fn with_a_cloned_token(
        &self,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = Started> + Send + use<'_> {
        let shutdown = shutdown.clone();
        async move {
            let value = self.work.done().await;
            assert!(!shutdown.is_cancelled(), "the body sees a live token");
            Ok(value)
        }
    }

    #[cancel_guarded(state = self.state)]
    fn tail_by_value(self, shutdown: CancellationToken) -> impl Future<Output = Started> {
        async move { Ok(self.work.done().await) }
    }

    #[cancel_guarded(state = self.state)]
    fn with_annotated_error(&self, shutdown: CancellationToken) -> impl Future<Output = Started> {
        async move {
            let value = self.work.done().await;
            Ok::<_, TestError>(value)
        }
    }

    #[cancel_guarded(state = self.state)]
    fn unit_tail(&self, shutdown: CancellationToken) -> impl Future<Output = ()> {
        async move {
            self.work.done().await;
        }
    }

    #[allow(unused_parens)]
    #[cancel_guarded(state = self.state)]
    fn in_parentheses(&self, shutdown: CancellationToken) -> impl Future<Output = Started> {
        (async move { Ok(self.work.done().await) })
    }

    #[cancel_guarded(state = self.state)]
    fn generic_tail<T: Into<u32> + Send>(
        &self,
        value: T,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Started> + Send {
        async move {
            self.work.done().await;
            Ok(value.into())
        }
    }
}

#[cancel_guarded(state = state)]
fn free(
    state: StateCell,
    work: Work,
    shutdown: CancellationToken,
) -> impl Future<Output = Result<u32, TestError>> + Send + 'static {
    async move { Ok(work.done().await) }
}

#[cancel_guarded]
fn unpublished(
    work: Work,
    shutdown: CancellationToken,
) -> Pin<Box<dyn Future<Output = Option<u32>> + Send>> {
    Box::pin(async move { Some(work.done().await) })
}

/// A value with the name of a parameter, which the block captures.
#[cancel_guarded(state = state)]
fn shadowed(
    state: &StateCell,
    work: &Work,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Started> {
    let (state, work) = (state.clone(), work.clone());
    Box::pin(async move {
        let value = work.done().await;
        drop(state);
        Ok(value)
    })
}

/// The block captures one field of it.
#[cancel_guarded(state = service.state)]
fn part_of_what_is_shadowed(
    service: &Arc<Service>,
    shutdown: CancellationToken,
) -> impl Future<Output = Started> + use<> {
    let service = Arc::clone(service);
    async move {
        let value = service.work.done().await;
        drop(service);
        Ok(value)
    }
}

/// Two parameters with one name, of which one is compiled.
#[cancel_guarded(state = service.state)]
async fn of_two_by_cfg(
    #[cfg(any())] service: &Service,
    #[cfg(not(any()))] service: Arc<Service>,
    #[cfg(any())] shutdown: CancellationToken,
    #[cfg(not(any()))] shutdown: Token,
) -> Started {
    let value = service.work.done().await;
    drop(service);
    Ok(value)
}

type Token = CancellationToken;

forms! {
    ends_in_async_move: |service, shutdown| service.ends_in_async_move(shutdown);
    ends_in_async: |service, shutdown| service.ends_in_async(shutdown);
    ends_in_box_pin: |service, shutdown| service.ends_in_box_pin(shutdown);
    ends_in_spelled_box_pin: |service, shutdown| service.ends_in_spelled_box_pin(shutdown);
    boxed_by_alias: |service, shutdown| service.boxed_by_alias(shutdown);
    boxed_by_alias_with_question: |service, shutdown| service.boxed_by_alias_with_question(shutdown);
    #[check_local] boxed_locally: |service, shutdown| service.boxed_locally(shutdown);
    names_the_token: |service, shutdown| service.names_the_token(shutdown);
    with_a_prologue: |service, shutdown| service.with_a_prologue((3, 4), shutdown);
    with_a_cloned_token: |service, shutdown| service.with_a_cloned_token(&shutdown);
    by_value: |service, shutdown| service.tail_by_value(shutdown);
    with_annotated_error: |service, shutdown| service.with_annotated_error(shutdown);
    unit: |service, shutdown| service.unit_tail(shutdown);
    in_parentheses: |service, shutdown| service.in_parentheses(shutdown);
    generic: |service, shutdown| service.generic_tail(7_u16, shutdown);
    by_a_shadowed_name: |service, shutdown| shadowed(&service.state, &service.work, shutdown);
    by_part_of_a_shadowed_name: |service, shutdown| part_of_what_is_shadowed(&Arc::new(service), shutdown);
    by_one_of_two_under_cfg: |service, shutdown| of_two_by_cfg(Arc::new(service), shutdown);
    free: |service, shutdown| super::free(service.state, service.work, shutdown);
    #[check_stateless] unpublished_box: |service, shutdown| unpublished(service.work, shutdown);
}
