//! Generics, lifetimes, `impl Trait`, attributes, and functions that other macros write.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Mutex;

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, VALUE, Work, forms};

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn generic<T, U: Clone + Into<u32>>(
        &self,
        _first: T,
        second: U,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(second.clone().into())
    }

    #[cancel_guarded(state = self.state)]
    async fn generic_where<T, E>(&self, value: T, shutdown: CancellationToken) -> Result<T, E>
    where
        T: Clone + Debug,
        E: From<StartError> + std::fmt::Display,
    {
        self.work.done().await;
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn constant<const N: usize, const B: bool>(
        &self,
        values: [u32; N],
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(values[N - 1] + u32::from(B))
    }

    #[cancel_guarded(state = self.state)]
    async fn lifetimes<'a, 'b: 'a>(
        &self,
        short: &'a str,
        long: &'b str,
        shutdown: CancellationToken,
    ) -> Result<&'a str, TestError> {
        self.work.done().await;
        Ok(if short.is_empty() { long } else { short })
    }

    #[cancel_guarded(state = self.state)]
    async fn higher_ranked<F>(&self, f: F, shutdown: CancellationToken) -> Result<u32, TestError>
    where
        F: for<'a> Fn(&'a u32) -> &'a u32,
    {
        let value = self.work.done().await;
        Ok(*f(&value))
    }

    #[cancel_guarded(state = self.state)]
    async fn takes_impl(
        &self,
        work: impl Future<Output = u32>,
        name: impl AsRef<str>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        assert_eq!(name.as_ref(), "name", "the parameter arrives");
        Ok(work.await)
    }

    #[cancel_guarded(state = self.state)]
    async fn takes_async_closure(
        &self,
        work: impl AsyncFnOnce(&Work) -> u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work(&self.work).await)
    }

    #[cancel_guarded(state = self.state)]
    async fn takes_dyn(
        &self,
        value: &(dyn Fn() -> u32 + Sync),
        boxed: Box<dyn Fn(u32) -> u32 + Send>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(boxed(value()))
    }

    #[cancel_guarded(state = self.state)]
    async fn returns_impl(
        &self,
        shutdown: CancellationToken,
    ) -> Result<impl Into<u32> + use<>, TestError> {
        let value = self.work.done().await;
        Ok(u8::try_from(value).unwrap_or_default())
    }

    #[cancel_guarded(state = self.state)]
    async fn returns_two_impls(
        &self,
        shutdown: CancellationToken,
    ) -> Result<(impl Fn() -> u32, Box<dyn Fn() -> u32 + Send>), TestError> {
        let value = self.work.done().await;
        Ok((move || value, Box::new(|| 0)))
    }

    #[cancel_guarded(state = self.state)]
    async fn inner_attributes(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        #![allow(clippy::let_and_return)]
        #![allow(non_snake_case)]
        let Value = self.work.done().await;
        Value.checked_add(0).ok_or(TestError::Own("an overflow"))
    }

    /// Is documented.
    #[inline]
    #[must_use = "a start that is not awaited does not run"]
    #[allow(clippy::let_and_return)]
    #[cancel_guarded(state = self.state)]
    #[allow(non_snake_case)]
    pub(crate) async fn outer_attributes(
        &self,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        let Value = self.work.done().await;
        let same = Ok(Value);
        same
    }

    #[cancel_guarded(state = self.state)]
    async fn conditional_parameters(
        &self,
        #[cfg(not(test))] absent: NoSuchType,
        #[cfg(test)] present: String,
        #[cfg(test)] mut changed: u32,
        #[cfg(not(test))] mut changed: NoSuchType,
        #[cfg(test)]
        #[allow(unused_variables)]
        unused: String,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        changed += u32::try_from(present.len()).unwrap_or_default();
        self.work.done().await;
        Ok(changed)
    }

    #[cancel_guarded(state = self.state)]
    async fn conditional_token(
        &self,
        #[cfg(test)] shutdown: CancellationToken,
        #[cfg(not(test))] absent: NoSuchType,
    ) -> Result<u32, TestError> {
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn r#async(
        &self,
        r#type: u32,
        mut r#match: u32,
        r#final: CancellationToken,
    ) -> Result<u32, TestError> {
        r#match += r#type;
        assert!(!r#final.is_cancelled(), "the body sees a live token");
        self.work.done().await;
        Ok(r#match)
    }

    #[allow(clippy::too_many_arguments)]
    #[cancel_guarded(state = self.state)]
    async fn names_of_ours(
        &self,
        __attempt: u32,
        __start: u32,
        __ret: u32,
        __arg0: u32,
        __shield: u32,
        attempt: u32,
        watch: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(__attempt + __start + __ret + __arg0 + __shield + attempt + watch)
    }

    #[cancel_guarded(state = self.state)]
    async fn recursive(&self, depth: u32, shutdown: CancellationToken) -> Result<u32, TestError> {
        if depth == 0 {
            return Ok(self.work.done().await);
        }
        let inner = Service {
            state: StateCell::new(),
            work: self.work.clone(),
        };
        Box::pin(inner.recursive(depth - 1, shutdown)).await
    }

    #[cancel_guarded(state = self.state)]
    async fn returns_early(
        &self,
        early: bool,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        let value = self.work.done().await;
        if early {
            return Ok(value);
        }
        Err(TestError::Own("not early"))
    }

    #[cancel_guarded(state = self.state)]
    async fn converts_errors(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value: u32 = Ok::<_, StartError>(self.work.done().await)?;
        Err::<u32, _>(StartError::Cancelled).or(Ok::<_, StartError>(value))?;
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn coerces(
        &self,
        shutdown: CancellationToken,
    ) -> Result<Box<dyn Fn() -> u32 + Send>, TestError> {
        let value = self.work.done().await;
        if value == 0 {
            return Ok(Box::new(|| 0));
        }
        Ok(Box::new(move || value))
    }

    #[cancel_guarded(state = self.state)]
    async fn has_items(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        const ZERO: u32 = 0;
        struct Sum(u32);
        impl Sum {
            async fn of(work: &Work) -> Self {
                Self(work.done().await)
            }
        }
        async fn add(sum: Sum) -> u32 {
            std::future::ready(sum.0).await + ZERO
        }
        Ok(add(Sum::of(&self.work).await).await)
    }

    #[cancel_guarded(state = { &self.state })]
    async fn state_by_block(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    fn cell(&self) -> StateCell {
        self.state.clone()
    }

    #[cancel_guarded(state = self.cell())]
    async fn state_by_call(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = locked.lock().expect("not poisoned").state)]
    async fn state_behind_a_lock(
        &self,
        locked: &Mutex<Self>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

forms! {
    generic: |service, shutdown| service.generic("unused", 7_u16, shutdown);
    generic_where: |service, shutdown| service.generic_where::<_, TestError>(VALUE, shutdown);
    constant: |service, shutdown| service.constant::<2, true>([0, 6], shutdown);
    higher_ranked: |service, shutdown| service.higher_ranked(|value| value, shutdown);
    takes_async_closure: |service, shutdown| service.takes_async_closure(async |work: &Work| work.done().await, shutdown);
    inner_attributes: |service, shutdown| service.inner_attributes(shutdown);
    outer_attributes: |service, shutdown| service.outer_attributes(shutdown);
    conditional_parameters: |service, shutdown| service.conditional_parameters(String::from("four"), 3, String::new(), shutdown);
    conditional_token: |service, shutdown| service.conditional_token(shutdown);
    raw_names: |service, shutdown| service.r#async(3, 4, shutdown);
    names_of_ours: |service, shutdown| service.names_of_ours(1, 1, 1, 1, 1, 1, 1, shutdown);
    recursive: |service, shutdown| service.recursive(2, shutdown);
    returns_early: |service, shutdown| service.returns_early(true, shutdown);
    converts_errors: |service, shutdown| service.converts_errors(shutdown);
    has_items: |service, shutdown| service.has_items(shutdown);
    state_by_block: |service, shutdown| service.state_by_block(shutdown);
    state_by_call: |service, shutdown| service.state_by_call(shutdown);
    state_behind_a_lock: |service, shutdown| service.state_behind_a_lock(&Mutex::new(service.clone()), shutdown);
}

#[test]
fn lifetimes() {
    crate::harness::check(|service, shutdown| async move {
        let long = String::from("long");
        let started = service.lifetimes("", &long, shutdown).await;
        started.map(|value| u32::try_from(value.len()).map_or(0, |len| len + 3))
    });
}

#[test]
fn takes_impl() {
    crate::harness::check(|service, shutdown| async move {
        let work = service.work.clone();
        let work = async move { work.done().await };
        service
            .takes_impl(work, String::from("name"), shutdown)
            .await
    });
}

#[test]
fn takes_dyn() {
    crate::harness::check(|service, shutdown| async move {
        let value = || 3;
        let boxed = Box::new(|value| value + 4);
        service.takes_dyn(&value, boxed, shutdown).await
    });
}

#[test]
fn returns_impl() {
    crate::harness::check(|service, shutdown| async move {
        service.returns_impl(shutdown).await.map(Into::into)
    });
}

#[test]
fn returns_two_impls() {
    crate::harness::check(|service, shutdown| async move {
        let started = service.returns_two_impls(shutdown).await;
        started.map(|(value, zero)| value() + zero())
    });
}

#[test]
fn coerces() {
    crate::harness::check(|service, shutdown| async move {
        let started = service.coerces(shutdown).await;
        started.map(|value| value())
    });
}

#[test]
fn within_a_function() {
    #[cancel_guarded(state = state)]
    async fn start(
        state: &StateCell,
        work: &Work,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work.done().await)
    }
    crate::harness::check(|service, shutdown| async move {
        start(&service.state, &service.work, shutdown).await
    });
}
