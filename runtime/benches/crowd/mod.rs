//! Many services under one token, in every form in which a cancellation can find them.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

use crate::by_hand::{Atomic, FAILED, RUNNING, careful, watch};
use crate::hooked::Hooked;

/// One of the crowd, before it is polled.
pub(crate) struct Service {
    pub(crate) future: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub(crate) state: State,
}

/// The state of a service.
pub(crate) enum State {
    /// It is nothing but a waiter.
    None,
    ByHand(Arc<Atomic>),
    Hooked(Arc<Hooked>),
    Guarded(StateCell),
}

impl State {
    pub(crate) fn is_running(&self) -> bool {
        match self {
            Self::None => false,
            Self::ByHand(state) => state.load() == RUNNING,
            Self::Hooked(hooked) => hooked.state.load() == RUNNING,
            Self::Guarded(state) => state.is_running(),
        }
    }
}

/// Makes one, to be under this token.
pub(crate) type Join = fn(&CancellationToken) -> Service;

/// Where in [`CROWDS`] they are.
#[allow(dead_code, reason = "each bench names those that it compares")]
pub(crate) mod of {
    pub(crate) const WAITERS: usize = 0;
    pub(crate) const BY_HAND_STARTING: usize = 1;
    pub(crate) const BY_HAND_RUNNING: usize = 2;
    pub(crate) const HOOKED_STARTING: usize = 3;
    pub(crate) const HOOKED_RUNNING: usize = 4;
    pub(crate) const GUARDED_STARTING: usize = 5;
    pub(crate) const GUARDED_RUNNING: usize = 6;
    pub(crate) const WAITERS_OF_CHILDREN: usize = 7;
    pub(crate) const GUARDED_STARTING_WITH_CHILD: usize = 8;
    pub(crate) const GUARDED_RUNNING_WITH_CHILD: usize = 9;
}

/// The forms, by name.
pub(crate) const CROWDS: [(&str, Join); 10] = [
    ("`cancelled()`", waiter),
    ("(a) by hand, starting", |token| {
        let (start, token) = (Arc::<Atomic>::default(), token.clone());
        let state = State::ByHand(Arc::clone(&start));
        let start = async move {
            let _ = careful(&start, &token, pending::<Result<(), StartError>>()).await;
        };
        Service::new(start, state)
    }),
    ("(b) by hand, running: the watcher", |token| {
        let running = Arc::<Atomic>::default();
        running.store(RUNNING);
        let state = State::ByHand(Arc::clone(&running));
        Service::new(watch(running, token.clone()), state)
    }),
    ("the hook alone, starting", |token| {
        hooked(token, |hooked, _| async move {
            poll_fn(|task| {
                hooked.wake_when_refused(task.waker());
                match hooked.state.load() {
                    FAILED => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            })
            .await;
        })
    }),
    ("the hook alone, running", |token| {
        hooked(token, |hooked, token| async move {
            hooked.publish(&token).expect("nobody has cancelled");
        })
    }),
    ("guarded, starting", |token| {
        guarded(|state| start(state, token.clone(), false))
    }),
    ("guarded, running", |token| {
        guarded(|state| start(state, token.clone(), true))
    }),
    ("`cancelled()` of a child token", |token| {
        waiter(&token.child_token())
    }),
    ("guarded, starting, token used by the body", |token| {
        guarded(|state| start_with_child(state, token.clone(), false))
    }),
    ("guarded, running, token used by the body", |token| {
        guarded(|state| start_with_child(state, token.clone(), true))
    }),
];

impl Service {
    fn new(future: impl Future<Output = ()> + Send + 'static, state: State) -> Self {
        let future = Box::pin(future);
        Self { future, state }
    }
}

fn waiter(token: &CancellationToken) -> Service {
    Service::new(token.clone().cancelled_owned(), State::None)
}

fn hooked<F>(
    token: &CancellationToken,
    start: impl FnOnce(Arc<Hooked>, CancellationToken) -> F + Send + 'static,
) -> Service
where
    F: Future<Output = ()> + Send + 'static,
{
    let (hooked, token) = (Arc::<Hooked>::default(), token.clone());
    let state = State::Hooked(Arc::clone(&hooked));
    let start = async move {
        hooked.begin(&token).expect("nobody has cancelled");
        start(hooked, token).await;
    };
    Service::new(start, state)
}

fn guarded<F>(start: impl FnOnce(StateCell) -> F) -> Service
where
    F: Future<Output = ()> + Send + 'static,
{
    let state = StateCell::new();
    Service::new(start(state.clone()), State::Guarded(state))
}

#[cancel_guarded(state = state)]
async fn start(state: StateCell, token: CancellationToken, is_ready: bool) {
    come_up(is_ready).await;
}

#[cancel_guarded(state = state)]
async fn start_with_child(state: StateCell, token: CancellationToken, is_ready: bool) {
    come_up(is_ready).await;
    drop(token);
}

async fn come_up(is_ready: bool) {
    if !is_ready {
        pending::<()>().await;
    }
}

/// One of the crowd that was polled once, for a task whose waking costs next to nothing.
pub(crate) struct Polled {
    /// Not there any more if it was ready: then the service is running.
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    state: State,
    task: Arc<Flag>,
}

#[derive(Default)]
struct Flag {
    is_woken: AtomicBool,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
    }
}

impl Polled {
    pub(crate) fn new(service: Service) -> Self {
        let Service { mut future, state } = service;
        let task = Arc::<Flag>::default();
        let waker = Waker::from(Arc::clone(&task));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        Self {
            future: polled.is_pending().then_some(future),
            state,
            task,
        }
    }

    /// Whether the cancellation has reached it.
    pub(crate) fn is_reached(&self) -> bool {
        match self.future {
            Some(_) => self.task.is_woken.load(Ordering::Acquire),
            None => !self.state.is_running(),
        }
    }
}
