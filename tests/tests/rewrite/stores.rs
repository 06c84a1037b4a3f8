//! `STATE.store(..)` in a body, and states that the service has of its own.

use std::cell::Cell;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, State, StateCell, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Log, now};

use crate::desk::Returns;

/// States with the service's own steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Phase {
    #[state(initial)]
    New,
    #[state(starting)]
    Starting,
    Migrating,
    Warming,
    #[state(running)]
    Up,
    #[state(stopping)]
    Draining,
    #[state(stopped)]
    Down,
    #[state(failed)]
    Broken,
}

/// A service that logs its states as it stores them.
#[derive(Default)]
struct Stepper {
    state: StateCell<Phase>,
    seen: Log<Phase>,
}

impl Stepper {
    fn look(&self) {
        self.seen.push(self.state.state());
    }
}

macro_rules! stores {
    ($($name:ident stores [$($phase:ident),*] $self:ident { $($body:tt)* })*) => {
        impl Stepper {
            $(
                #[cancel_guarded(state = $self.state)]
                async fn $name(&$self, shutdown: CancellationToken) -> Returns {
                    $($body)*
                }
            )*
        }

        mod stores {
            use super::*;

            $(
                #[test]
                fn $name() {
                    let stepper = Stepper::default();
                    let started = now(stepper.$name(CancellationToken::new()));
                    assert_eq!(started, Ok(7));
                    assert_eq!(stepper.seen.all(), [$(Phase::$phase),*]);
                    assert_eq!(stepper.state.state(), Phase::Up);
                }
            )*
        }
    };
}

stores! {
    in_the_body stores [Migrating, Warming] self {
        self.state.store(Phase::Migrating);
        self.look();
        ready(()).await;
        self.state.store(Phase::Warming);
        self.look();
        Ok(7)
    }
    in_nested_blocks stores [Migrating, Warming] self {
        {
            let () = { self.state.store(Phase::Migrating) };
            self.look();
        }
        if ready(true).await {
            if self.seen.all().len() == 1 {
                self.state.store(Phase::Warming);
            }
            self.look();
        }
        Ok(7)
    }
    in_loops stores [Migrating, Warming, Migrating] self {
        for phase in [Phase::Migrating, Phase::Warming] {
            self.state.store(phase);
            self.look();
        }
        let mut left = 1;
        while left > 0 {
            self.state.store(ready(Phase::Migrating).await);
            self.look();
            left -= 1;
        }
        Ok(7)
    }
    in_arms stores [Warming, Migrating] self {
        match ready(1).await {
            0 => self.state.store(Phase::Migrating),
            n if n == 1 => self.state.store(Phase::Warming),
            _ => {}
        }
        self.look();
        match 2 {
            _ => {
                self.state.store(Phase::Migrating);
                self.look();
            }
        }
        Ok(7)
    }
    in_the_else_of_a_let stores [Migrating] self {
        let Some(seven) = ready(None).await else {
            self.state.store(Phase::Migrating);
            self.look();
            return Ok(7);
        };
        Ok(seven)
    }
    in_expressions stores [Migrating, Warming] self {
        let seven = (self.state.store(Phase::Migrating), self.look(), 7).2;
        let warm = seven == 7;
        self.state.store(if warm { Phase::Warming } else { Phase::Migrating });
        self.look();
        Ok(seven)
    }
    under_a_shield stores [Migrating, Warming] self {
        #[shielded]
        {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
        }
        #[shielded]
        let seven = { self.state.store(Phase::Warming); ready(7).await };
        self.look();
        Ok(seven)
    }
    spelled_otherwise stores [Migrating, Warming, Migrating] self {
        (self.state).store(Phase::Migrating);
        self.look();
        (&self.state).store(Phase::Warming);
        self.look();
        self . state
            . store(Phase::Migrating,);
        self.look();
        Ok(7)
    }
    by_constant stores [Migrating] self {
        const STEP: Phase = Phase::Migrating;
        self.state.store(STEP);
        self.look();
        Ok(7)
    }
}

/// A store after the cancellation writes nothing, and the start ends at its next await or return.
#[test]
fn a_store_after_a_cancellation_writes_nothing() {
    #[cancel_guarded(state = stepper.state, caller = everything)]
    async fn late(stepper: &Stepper, waits: bool, shutdown: CancellationToken) -> Returns {
        stepper.state.store(Phase::Migrating);
        everything.cancel();
        stepper.state.store(Phase::Warming);
        stepper.look();
        if waits {
            ready(()).await;
            stepper.look();
        }
        Ok(7)
    }

    for waits in [false, true] {
        let stepper = Stepper::default();
        let refused = now(late(&stepper, waits, CancellationToken::new()));
        assert_eq!(refused, Err(CANCELLED), "waits: {waits}");
        assert_eq!(stepper.seen.all(), [Phase::Migrating], "waits: {waits}");
        assert_eq!(stepper.state.state(), Phase::Broken);
    }
}

/// `STOPPING` asks the attempt to end, without the latch: the service may be started again.
#[test]
fn a_store_of_stopping_ends_the_start() {
    #[cancel_guarded(state = stepper.state, restart)]
    async fn start(stepper: &Stepper, gives_up: bool, shutdown: CancellationToken) -> Returns {
        if gives_up {
            stepper.state.store(Phase::Draining);
        }
        ready(()).await;
        stepper.look();
        Ok(7)
    }

    let stepper = Stepper::default();
    let refused = now(start(&stepper, true, CancellationToken::new()));
    assert_eq!(refused, Err(CANCELLED));
    assert!(stepper.seen.all().is_empty(), "the next line does not run");
    assert_eq!(stepper.state.state(), Phase::Broken);
    assert!(!stepper.state.stop_requested());
    assert_eq!(now(start(&stepper, false, CancellationToken::new())), Ok(7));
}

/// A `store` on another value is the user's own method.
#[test]
fn other_stores_stay_what_they_are() {
    struct Store(Cell<u32>);
    impl Store {
        fn store(&self, value: u32) {
            self.0.set(value);
        }
    }
    struct Service {
        state: StateCell<Phase>,
        other: Store,
    }
    impl Service {
        #[cancel_guarded(state = self.state)]
        async fn start(&self, shutdown: CancellationToken) -> Returns {
            self.other.store(3);
            self.state.store(Phase::Warming);
            let state = Store(Cell::new(0));
            state.store(4);
            Ok(ready(self.other.0.get() + state.0.get()).await)
        }
    }

    let service = Service {
        state: StateCell::new(),
        other: Store(Cell::new(0)),
    };
    assert_eq!(now(service.start(CancellationToken::new())), Ok(7));
    assert_eq!(service.state.state(), Phase::Up);
}

/// `self.state.store` under `#[async_trait]`, which renames `self`, and under `#[instrument]`.
#[test]
fn stores_under_async_trait() {
    trait HasState {
        fn state(&self) -> &StateCell<Phase>;
        fn look(&self);
    }

    impl HasState for Stepper {
        fn state(&self) -> &StateCell<Phase> {
            &self.state
        }

        fn look(&self) {
            Stepper::look(self);
        }
    }

    #[async_trait]
    trait Starts: HasState + Sync {
        async fn implemented(&self, shutdown: CancellationToken) -> Returns;
        async fn instrumented(&self, shutdown: CancellationToken) -> Returns;
        async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Returns;
        async fn exclusive(&mut self, shutdown: CancellationToken);

        #[cancel_guarded(state = self.state())]
        async fn default(&self, shutdown: CancellationToken) -> Returns {
            self.state().store(Phase::Migrating);
            self.look();
            ready(()).await;
            {
                self.state().store(Phase::Warming);
            }
            self.look();
            Ok(7)
        }
    }

    #[async_trait]
    impl Starts for Stepper {
        #[cancel_guarded(state = self.state)]
        async fn implemented(&self, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            for _ in 0..1 {
                ready(()).await;
                self.state.store(Phase::Warming);
            }
            self.look();
            Ok(7)
        }

        #[tracing::instrument(skip_all, ret)]
        #[cancel_guarded(state = self.state)]
        async fn instrumented(&self, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            #[shielded]
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
            Ok(7)
        }

        #[cancel_guarded(state = self.state)]
        async fn by_arc(self: Arc<Self>, shutdown: CancellationToken) -> Returns {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
            Ok(7)
        }

        #[cancel_guarded(state = self.state)]
        async fn exclusive(&mut self, shutdown: CancellationToken) {
            self.state.store(Phase::Migrating);
            self.look();
            ready(()).await;
            self.state.store(Phase::Warming);
            self.look();
        }
    }

    type Stepped = Pin<Box<dyn Future<Output = (Returns, Stepper)>>>;
    let starts: [fn(Stepper) -> Stepped; 5] = [
        |it| Box::pin(async move { (it.implemented(CancellationToken::new()).await, it) }),
        |it| Box::pin(async move { (it.instrumented(CancellationToken::new()).await, it) }),
        |it| Box::pin(async move { (Starts::default(&it, CancellationToken::new()).await, it) }),
        |mut it| {
            Box::pin(async move {
                it.exclusive(CancellationToken::new()).await;
                (Ok(7), it)
            })
        },
        |it| {
            Box::pin(async move {
                let it = Arc::new(it);
                let started = it.clone().by_arc(CancellationToken::new()).await;
                (started, Arc::into_inner(it).expect("the start is over"))
            })
        },
    ];
    for (index, start) in starts.into_iter().enumerate() {
        let (started, stepper) = now(start(<Stepper as Default>::default()));
        assert_eq!(started, Ok(7), "start {index}");
        let seen = stepper.seen.all();
        assert_eq!(seen, [Phase::Migrating, Phase::Warming], "start {index}");
        assert_eq!(stepper.state.state(), Phase::Up, "start {index}");
    }
}
