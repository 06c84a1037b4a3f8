//! Sync functions: starts, and functions that return when the service is over.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, VALUE, Work, sync_forms};

/// A start and a `run` with the same receiver. `$changes` is done by the body.
macro_rules! receivers {
    ($($start:ident, $run:ident ($self:ident: $($receiver:tt)+) { $($changes:tt)* })*) => {
        impl Service {$(
            #[cancel_guarded(state = $self.state)]
            fn $start($($receiver)+, shutdown: CancellationToken) -> Result<u32, TestError> {
                assert!(!shutdown.is_cancelled(), "the body sees a live token");
                $($changes)*
                Ok($self.work.done_now())
            }

            #[cancel_guarded(run, state = $self.state)]
            fn $run($($receiver)+, shutdown: &CancellationToken) -> Result<u32, TestError> {
                assert!(!shutdown.is_cancelled(), "the body sees a live token");
                $($changes)*
                Ok($self.work.done_now())
            }
        )*}
    };
}

receivers! {
    sync_shared, sync_run_shared (self: &self) {}
    sync_exclusive, sync_run_exclusive (self: &mut self) { self.work = self.work.clone(); }
    sync_by_value, sync_run_by_value (self: self) {}
    sync_by_mutable_value, sync_run_by_mutable_value (self: mut self) { self.work = self.work.clone(); }
    sync_by_arc, sync_run_by_arc (self: self: Arc<Self>) {}
    sync_by_shared_arc, sync_run_by_shared_arc (self: self: &Arc<Self>) { let _other = Arc::clone(self); }
    sync_by_rc, sync_run_by_rc (self: self: Rc<Self>) {}
    sync_by_box, sync_run_by_box (self: self: Box<Self>) {}
    sync_by_mutable_box, sync_run_by_mutable_box (self: mut self: Box<Self>) { self.work = self.work.clone(); }
    sync_pinned, sync_run_pinned (self: self: Pin<&mut Self>) {}
}

impl Service {
    #[cancel_guarded(state = state)]
    fn sync_associated(
        state: &StateCell,
        work: &Work,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(work.done_now())
    }

    #[cancel_guarded(state = self.state)]
    fn sync_option(&self, shutdown: Option<&CancellationToken>) -> Option<u32> {
        let value = self.work.done_now();
        shutdown.map(|_| value)
    }

    #[cancel_guarded(state = self.state)]
    fn sync_unit(&self, _: CancellationToken) {
        self.work.done_now();
    }

    #[cancel_guarded(state = self.state)]
    fn sync_returns_early(
        &self,
        early: bool,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        let value = self.work.done_now();
        if early {
            return Ok(value);
        }
        Err(TestError::Own("not early"))
    }

    #[cancel_guarded(state = self.state)]
    fn with_a_question(&self, shutdown: CancellationToken) -> anyhow::Result<u32> {
        let value = self.work.done_now();
        let same: u32 = value.to_string().parse()?;
        Ok(same)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| Err(format!("{name}: {error}")))]
    fn refused_with_its_name(
        &self,
        name: String,
        shutdown: CancellationToken,
    ) -> Result<u32, String> {
        let value = self.work.done_now();
        Ok(value + u32::from(name.is_empty()))
    }

    #[cancel_guarded(token = shutdown, state = self.state)]
    fn sync_with_patterns(
        &self,
        (shutdown, _): (CancellationToken, String),
        [left, .., right]: [u32; 3],
    ) -> Result<u32, TestError> {
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        self.work.done_now();
        Ok(left + right)
    }

    #[cancel_guarded(state = self.state)]
    fn sync_borrows<'a, T: AsRef<str> + ?Sized>(
        &self,
        name: &'a T,
        shutdown: &CancellationToken,
    ) -> Result<&'a str, TestError> {
        self.work.done_now();
        Ok(name.as_ref())
    }

    #[cancel_guarded(state = self.state)]
    #[tracing::instrument(skip_all)]
    fn instrumented_below(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done_now())
    }

    #[tracing::instrument(skip_all, err)]
    #[cancel_guarded(state = self.state)]
    fn instrumented_above(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done_now())
    }

    /// Hands itself to what it starts.
    #[cancel_guarded(state = self.state)]
    fn moves_itself(self: Arc<Self>, shutdown: CancellationToken) -> Result<Arc<Self>, TestError> {
        self.work.done_now();
        Ok(self)
    }

    /// Waits as sync code waits.
    #[cancel_guarded(run, state = self.state)]
    fn polls_its_token(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let mut rounds = 0;
        let value = self.work.done_now();
        while !shutdown.is_cancelled() && rounds < 3 {
            rounds += 1;
        }
        Ok(value)
    }
}

#[cancel_guarded(state = service.state)]
fn free(service: Service, shutdown: CancellationToken) -> Result<u32, TestError> {
    Ok(service.work.done_now())
}

trait Starts {
    type Error: From<StartError> + std::fmt::Display;

    fn state(&self) -> &StateCell;
    fn work(&self) -> &Work;
    fn start(&self, shutdown: CancellationToken) -> Result<u32, Self::Error>;

    #[cancel_guarded(state = self.state())]
    fn default(&self, shutdown: CancellationToken) -> Result<u32, Self::Error> {
        Ok(self.work().done_now())
    }
}

// `#[async_trait]` leaves a sync method as it is.
#[async_trait]
impl Starts for Service {
    type Error = TestError;

    fn state(&self) -> &StateCell {
        &self.state
    }

    fn work(&self) -> &Work {
        &self.work
    }

    #[cancel_guarded(state = self.state)]
    fn start(&self, shutdown: CancellationToken) -> Result<u32, Self::Error> {
        Ok(self.work.done_now())
    }
}

sync_forms! {
    check_sync:
    shared: |service, shutdown| service.sync_shared(shutdown);
    exclusive: |mut service, shutdown| service.sync_exclusive(shutdown);
    by_value: |service, shutdown| service.sync_by_value(shutdown);
    by_mutable_value: |service, shutdown| service.sync_by_mutable_value(shutdown);
    by_arc: |service, shutdown| Arc::new(service).sync_by_arc(shutdown);
    by_shared_arc: |service, shutdown| Arc::new(service).sync_by_shared_arc(shutdown);
    by_rc: |service, shutdown| Rc::new(service).sync_by_rc(shutdown);
    by_box: |service, shutdown| Box::new(service).sync_by_box(shutdown);
    by_mutable_box: |service, shutdown| Box::new(service).sync_by_mutable_box(shutdown);
    pinned: |mut service, shutdown| Pin::new(&mut service).sync_pinned(shutdown);
    associated: |service, shutdown| Service::sync_associated(&service.state, &service.work, shutdown);
    free: |service, shutdown| super::free(service, shutdown);
    option: |service, shutdown| service.sync_option(Some(&shutdown));
    unit: |service, shutdown| service.sync_unit(shutdown);
    returns_early: |service, shutdown| service.sync_returns_early(true, shutdown);
    with_a_question: |service, shutdown| service.with_a_question(shutdown);
    with_patterns: |service, shutdown| service.sync_with_patterns((shutdown, String::new()), [3, 0, 4]);
    borrows: |service, shutdown| service.sync_borrows("seven", &shutdown).map(|_| VALUE);
    instrumented_below: |service, shutdown| service.instrumented_below(shutdown);
    instrumented_above: |service, shutdown| service.instrumented_above(shutdown);
    moves_itself: |service, shutdown| Arc::new(service).moves_itself(shutdown).map(|_| VALUE);
    trait_method: |service, shutdown| Starts::start(&service, shutdown);
    trait_default: |service, shutdown| Starts::default(&service, shutdown);
}

sync_forms! {
    check_sync_run:
    shared: |service, shutdown| service.sync_run_shared(&shutdown);
    exclusive: |mut service, shutdown| service.sync_run_exclusive(&shutdown);
    by_value: |service, shutdown| service.sync_run_by_value(&shutdown);
    by_mutable_value: |service, shutdown| service.sync_run_by_mutable_value(&shutdown);
    by_arc: |service, shutdown| Arc::new(service).sync_run_by_arc(&shutdown);
    by_shared_arc: |service, shutdown| Arc::new(service).sync_run_by_shared_arc(&shutdown);
    by_rc: |service, shutdown| Rc::new(service).sync_run_by_rc(&shutdown);
    by_box: |service, shutdown| Box::new(service).sync_run_by_box(&shutdown);
    by_mutable_box: |service, shutdown| Box::new(service).sync_run_by_mutable_box(&shutdown);
    pinned: |mut service, shutdown| Pin::new(&mut service).sync_run_pinned(&shutdown);
    polls_its_token: |service, shutdown| service.polls_its_token(shutdown);
}

/// `on_refused` names the parameter in the refusal.
#[test]
fn a_refusal_names_its_parameter() {
    let (service, token) = (Service::new(), CancellationToken::new());
    let started = service.refused_with_its_name(String::from("api"), token.clone());
    assert_eq!(started, Ok(VALUE));
    token.cancel();
    let refused = Service::new().refused_with_its_name(String::from("api"), token);
    assert_eq!(refused, Err(format!("api: {}", StartError::Cancelled)));
}

/// An error of the body's own is returned, and is the cause.
#[test]
fn its_own_error_fails_the_service() {
    let service = Service::new();
    let failed = service.sync_returns_early(false, CancellationToken::new());
    assert_eq!(failed, Err(TestError::Own("not early")));
    let failure = service.state.failure().expect("a cause");
    assert_eq!(failure.to_string(), "not early");
}
