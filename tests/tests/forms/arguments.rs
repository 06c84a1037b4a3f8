//! The arguments `on_refused`, `restart` and `crate`, and no `state`.

use std::sync::Arc;

use cancel_guarded::{CancellationToken, Failure, Lifecycle, Outcome, StartError, cancel_guarded};
use cancel_guarded_tests::{TestError, now};

use crate::harness::{IntoReply, Reply, Service, VALUE, Work, forms};

/// An error without a conversion from `StartError`.
#[derive(Debug)]
struct Stranger(String);

impl std::fmt::Display for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn told(error: StartError) -> Result<u32, Stranger> {
    Err(Stranger(error.to_string()))
}

/// A return type of the user's own.
#[derive(Debug)]
enum Own {
    Up(u32),
    Down(StartError),
}

impl Outcome for Own {
    fn failure(&self) -> Option<Failure> {
        match self {
            Self::Up(_) => None,
            Self::Down(error) => Some(Failure::from_error(error)),
        }
    }
}

impl IntoReply for Own {
    fn into_reply(self) -> Reply {
        match self {
            Self::Up(value) => Reply::Value(value),
            Self::Down(error) => Reply::Refused(error.to_string()),
        }
    }
}

/// A value that cannot be cloned.
struct Owned(String);

impl Service {
    #[cancel_guarded(state = self.state, on_refused = told)]
    async fn refused_by_function(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| Err(Stranger(error.to_string())))]
    async fn refused_by_closure(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error: StartError| Self::answer(error))]
    async fn refused_by_method(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    fn answer<T>(error: StartError) -> Result<T, Stranger> {
        Err(Stranger(error.to_string()))
    }

    #[cancel_guarded(state = self.state, on_refused = |error| {
        Err(Stranger(error.to_string().replacen("start", prefix, 1)))
    })]
    async fn refused_with_a_parameter(
        &self,
        prefix: &str,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    // The attribute alone uses `prefix`, and owns it.
    #[cancel_guarded(state = self.state, on_refused = |error| Err(Stranger(prefix + &error.to_string()[5..])))]
    async fn refused_with_what_it_owns(
        &self,
        prefix: String,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = move |error| {
        drop(prefix.0);
        told(error)
    })]
    async fn refused_by_move(
        &self,
        prefix: Owned,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    // Both use `name`: the attribute's is a clone.
    #[cancel_guarded(state = self.state, on_refused = |error| {
        assert_eq!(name, "name", "the parameter arrives");
        told(error)
    })]
    async fn refused_with_what_both_own(
        &self,
        name: String,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        let value = self.work.done().await;
        let moved = name;
        Ok(value + u32::from(moved.is_empty()))
    }

    #[cancel_guarded(state = self.state, on_refused = { let name = name.clone(); move |error| {
        assert_eq!(name, "name", "the parameter arrives");
        told(error)
    } })]
    async fn refused_with_a_clone(
        &self,
        name: String,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        let value = self.work.done().await;
        Ok(value + u32::from(name.is_empty()))
    }

    #[cancel_guarded(state = self.state, on_refused = refuse)]
    async fn refused_by_a_parameter<F>(
        &self,
        refuse: F,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger>
    where
        F: FnOnce(StartError) -> Result<u32, Stranger>,
    {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| {
        let Self { work, .. } = self;
        drop(work);
        told(error)
    })]
    async fn refused_by_value(self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| {
        drop(self.work.clone());
        told(error)
    })]
    async fn refused_by_mutable_value(
        mut self,
        shutdown: CancellationToken,
    ) -> Result<u32, Stranger> {
        self.work = self.work.clone();
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| {
        drop(Arc::clone(&self));
        told(error)
    })]
    async fn refused_by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Result<u32, Stranger> {
        let value = self.work.done().await;
        drop(self);
        Ok(value)
    }

    #[cancel_guarded(state = self.state, on_refused = |_| None)]
    async fn refused_quietly(&self, shutdown: CancellationToken) -> Option<u32> {
        Some(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = drop)]
    async fn refused_with_nothing(&self, shutdown: CancellationToken) {
        self.work.done().await;
    }

    #[cancel_guarded(state = self.state, on_refused = Own::Down)]
    async fn own_outcome(&self, shutdown: CancellationToken) -> Own {
        Own::Up(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |_| Ok(VALUE))]
    async fn quiet(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, on_refused = |error| Ok(Err(error)))]
    async fn nested(
        &self,
        shutdown: CancellationToken,
    ) -> Result<Result<u32, StartError>, Stranger> {
        Ok(Ok(self.work.done().await))
    }

    #[cancel_guarded(start, state = self.state)]
    async fn spelled_start(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    // Its name and its last call are those of a `run`.
    #[cancel_guarded(start, state = self.state)]
    async fn run_setup(&self, shutdown: CancellationToken) -> Result<(), TestError> {
        self.run_with(shutdown).await
    }

    async fn run_with(&self, _shutdown: CancellationToken) -> Result<(), TestError> {
        self.work.done().await;
        Ok(())
    }

    #[cancel_guarded(state = self.state, restart)]
    async fn restart(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(restart, on_refused = told, crate = crate::reexported::inner, state = self.state, token = shutdown)]
    async fn all(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state, crate = crate::reexported::inner)]
    async fn through_a_path(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        std::future::ready(()).await;
        let _seen = shutdown.clone();
        Ok(value)
    }

    #[cancel_guarded]
    async fn no_state(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded()]
    async fn no_state_and_parentheses(&self, shutdown: CancellationToken) -> Option<u32> {
        let value = self.work.done().await;
        (!shutdown.is_cancelled()).then_some(value)
    }

    #[cancel_guarded(on_refused = told)]
    async fn no_state_told(&self, shutdown: CancellationToken) -> Result<u32, Stranger> {
        Ok(self.work.done().await)
    }
}

/// `$crate`, as a crate writes it if its own macro emits the attribute.
macro_rules! through_dollar_crate {
    ($name:ident) => {
        #[$crate::reexported::inner::cancel_guarded(
                                                            state = service.state,
                                                            crate = $crate::reexported::inner,
                                                        )]
        async fn $name(service: &Service, shutdown: CancellationToken) -> Result<u32, TestError> {
            let value = service.work.done().await;
            let _seen = shutdown.clone();
            Ok(value)
        }
    };
}

through_dollar_crate!(dollar_crate);

forms! {
    refused_with_what_it_owns: |service, shutdown| service.refused_with_what_it_owns(String::from("start"), shutdown);
    refused_by_move: |service, shutdown| service.refused_by_move(Owned(String::new()), shutdown);
    refused_with_what_both_own: |service, shutdown| service.refused_with_what_both_own(String::from("name"), shutdown);
    refused_with_a_clone: |service, shutdown| service.refused_with_a_clone(String::from("name"), shutdown);
    refused_by_a_parameter: |service, shutdown| service.refused_by_a_parameter(told, shutdown);
    refused_by_value: |service, shutdown| service.refused_by_value(shutdown);
    refused_by_mutable_value: |service, shutdown| service.refused_by_mutable_value(shutdown);
    refused_by_arc: |service, shutdown| Arc::new(service).refused_by_arc(shutdown);
    refused_by_function: |service, shutdown| service.refused_by_function(shutdown);
    refused_by_closure: |service, shutdown| service.refused_by_closure(shutdown);
    refused_by_method: |service, shutdown| service.refused_by_method(shutdown);
    refused_with_a_parameter: |service, shutdown| service.refused_with_a_parameter("start", shutdown);
    refused_quietly: |service, shutdown| service.refused_quietly(shutdown);
    refused_with_nothing: |service, shutdown| service.refused_with_nothing(shutdown);
    own_outcome: |service, shutdown| service.own_outcome(shutdown);
    spelled_start: |service, shutdown| service.spelled_start(shutdown);
    restart: |service, shutdown| service.restart(shutdown);
    all: |service, shutdown| service.all(shutdown);
    through_a_path: |service, shutdown| service.through_a_path(shutdown);
    through_dollar_crate: |service, shutdown| dollar_crate(&service, shutdown);
    #[check_stateless] no_state: |service, shutdown| service.no_state(shutdown);
    #[check_stateless] no_state_and_parentheses: |service, shutdown| service.no_state_and_parentheses(shutdown);
    #[check_stateless] no_state_told: |service, shutdown| service.no_state_told(shutdown);
}

#[test]
fn nested_results() {
    crate::harness::check(|service, shutdown| async move {
        match service.nested(shutdown).await {
            Ok(inner) => inner,
            Err(Stranger(message)) => panic!("refused inside: {message}"),
        }
    });
}

/// `on_refused` may return success; the cell still reads `FAILED`.
#[test]
fn a_quiet_refusal_still_fails_the_cell() {
    let service = Service::new();
    let token = CancellationToken::new();
    token.cancel();
    let started = now(service.quiet(token));
    assert!(matches!(started, Ok(VALUE)), "{started:?}");
    assert_eq!(service.state.state(), Lifecycle::Failed);
}

/// `start` takes a function that looks like a `run`: it is interrupted at its awaits.
#[test]
fn spelled_start_of_what_looks_like_a_run() {
    crate::harness::check(|service, shutdown| async move {
        service.run_setup(shutdown).await.map(|()| VALUE)
    });
}

/// `restart` begins from `FAILED` and from `STOPPED`; without it a cell has one life.
#[test]
fn only_restart_starts_again() {
    #[cancel_guarded(state = service.state)]
    async fn once(
        service: &Service,
        work: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(std::future::ready(work).await)
    }
    #[cancel_guarded(state = service.state, restart)]
    async fn again(
        service: &Service,
        work: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(std::future::ready(work).await)
    }

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for state in [Lifecycle::Failed, Lifecycle::Stopped] {
        let service = Service::new();
        if state == Lifecycle::Failed {
            assert!(now(again(&service, VALUE, cancelled.clone())).is_err());
        } else {
            assert!(service.state.request_stop(), "nothing has begun");
            assert!(service.state.rearm(), "no attempt is under way");
        }
        assert_eq!(service.state.state(), state);
        let refused = now(once(&service, VALUE, CancellationToken::new()));
        let name = if state == Lifecycle::Failed {
            "Failed"
        } else {
            "Stopped"
        };
        assert_eq!(refused, Err(cancel_guarded_tests::not_startable(name)));
        assert_eq!(service.state.state(), state, "untouched");
        assert_eq!(
            now(again(&service, VALUE, CancellationToken::new())),
            Ok(VALUE)
        );
        assert!(service.state.is_running(), "from {state:?}");
    }
    let _: Option<Work> = None;
}
