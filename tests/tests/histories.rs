//! Random histories of one cell, on one thread, compared with a small model.
//!
//! A history is a sequence of operations: starts, parts, tokens, stops, waits. Each operation is
//! applied to the cell and to the model. After each operation the two must agree, and what the
//! crate guarantees must hold.
//!
//! A failure prints the seed and the operations. `CANCEL_GUARDED_SEED` repeats that one history,
//! and `CANCEL_GUARDED_HISTORIES` sets how many are run.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use cancel_guarded::{
    Attempt, CancellationToken, Failure, FailureKind, NotRunning, Publisher, ServeGuard, Served,
    StartError, State, StateCell,
};

const OPERATIONS: usize = 120;

#[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
enum Step {
    #[state(initial)]
    Created,
    #[state(starting)]
    Starting,
    #[state(running)]
    Running,
    Draining,
    #[state(stopping)]
    Stopping,
    #[state(stopped)]
    Stopped,
    #[state(failed)]
    Failed,
}

const STEPS: &[Step] = <Step as State>::VARIANTS;

#[test]
fn random_histories_hold_every_guarantee() {
    if let Some(seed) = variable("CANCEL_GUARDED_SEED") {
        return run_history(seed);
    }
    let count = variable("CANCEL_GUARDED_HISTORIES").unwrap_or(2_000);
    for seed in 0..count {
        run_history(seed);
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("the variable is a number"))
}

fn run_history(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..OPERATIONS {
        history.step();
        history.check();
    }
    history.wind_down();
}

// Scripts collect here what they find wrong: the crate catches their panics.
thread_local! {
    static VIOLATIONS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn violation(text: impl Into<String>) {
    VIOLATIONS.with_borrow_mut(|violations| violations.push(text.into()));
}

/// A panic that does not call the panic hook.
fn scripted_panic(message: &'static str) -> ! {
    resume_unwind(Box::new(message))
}

/// The generator `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("it is small");
        usize::try_from(self.next() % bound).expect("it is small")
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// The index of an entry, or `None` if there is none.
    fn index<T>(&mut self, of: &[T]) -> Option<usize> {
        (!of.is_empty()).then(|| self.below(of.len()))
    }
}

/// A failure, as the model expects it. The texts of the crate itself are not compared.
#[derive(Clone, Debug)]
struct Cause {
    kind: FailureKind,
    message: Option<String>,
    was_told_to_end: bool,
}

impl Cause {
    fn new(kind: FailureKind, was_told_to_end: bool) -> Self {
        Self {
            kind,
            message: None,
            was_told_to_end,
        }
    }

    fn matches(&self, failure: &Failure) -> bool {
        self.kind == failure.kind()
            && self.was_told_to_end == failure.was_told_to_end()
            && (self.message.as_ref()).is_none_or(|message| *message == failure.to_string())
    }
}

fn same_cause(expected: Option<&Cause>, actual: Option<&Failure>) -> bool {
    match (expected, actual) {
        (None, None) => true,
        (Some(cause), Some(failure)) => cause.matches(failure),
        _ => false,
    }
}

/// One attempt in the model.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Facts {
    has_body: bool,
    is_run: bool,
    is_published: bool,
    is_told_to_end: bool,
    is_aborted: bool,
    /// A run has succeeded without having published.
    is_over_unpublished: bool,
    is_draining: bool,
    cause: Option<Cause>,
    /// A served future was dropped before it ran. The failure of the body replaces this cause.
    is_provisional: bool,
    serving: usize,
    tracked: usize,
    /// The last serving part has ended.
    has_served: bool,
    end: Option<Step>,
    /// The first result of `failure()`.
    reported: Option<Failure>,
}

impl Facts {
    fn must_refuse(&self) -> bool {
        !self.is_published && self.is_told_to_end
    }

    /// The body is dropped where it waits.
    fn interrupts(&self) -> bool {
        self.must_refuse() || self.is_aborted
    }

    fn final_cause(&self) -> Option<&Cause> {
        let cause = self.cause.as_ref()?;
        let can_change = cause.kind == FailureKind::Cancelled || self.is_provisional;
        (!self.has_body || !can_change).then_some(cause)
    }

    /// Whether a part may join while this attempt is under way.
    fn accepts(&self, kind: Kind) -> bool {
        let drains = self.is_published && !self.is_aborted && kind == Kind::Tracked;
        !self.is_told_to_end || drains
    }

    fn settle(&mut self) {
        if self.end.is_some() || self.has_body {
            return;
        }
        if self.is_published && self.has_served && self.serving == 0 {
            self.is_told_to_end = true;
        }
        if self.is_told_to_end && self.serving + self.tracked == 0 {
            let has_failed = self.cause.is_some();
            self.end = Some(if has_failed {
                Step::Failed
            } else {
                Step::Stopped
            });
        }
    }
}

/// How a body ends, as the model sees it.
enum BodyEnd {
    Published,
    Finished,
    Refused,
    Failed(FailureKind, String),
    Dropped { by_abort: bool },
}

/// The expected cell. Attempt `n` is entry `n - 1`.
#[derive(Default)]
struct Model {
    attempts: Vec<Facts>,
    stop_requested: bool,
}

impl Model {
    fn id(&self) -> usize {
        self.attempts.len()
    }

    fn attempt(&self, id: usize) -> Option<&Facts> {
        self.attempts.get(id.checked_sub(1)?)
    }

    fn last(&self) -> Facts {
        self.attempts.last().cloned().unwrap_or_default()
    }

    fn under_way(&mut self) -> Option<&mut Facts> {
        self.attempts.last_mut().filter(|facts| facts.end.is_none())
    }

    fn is_under_way(&self) -> bool {
        self.attempts
            .last()
            .is_some_and(|facts| facts.end.is_none())
    }

    fn state(&self) -> Step {
        match self.attempts.last() {
            None => Step::Created,
            Some(Facts { end: Some(end), .. }) => *end,
            Some(facts) if facts.is_over_unpublished => Step::Stopping,
            Some(facts) if !facts.is_published => Step::Starting,
            Some(facts) if facts.is_told_to_end => Step::Stopping,
            Some(facts) if facts.is_draining => Step::Draining,
            Some(_) => Step::Running,
        }
    }

    /// The error that a start gets, or `None` if it begins.
    fn entry_error(&self, may_restart: bool, is_cancelled: bool) -> Option<StartError> {
        let state = self.state();
        let is_startable = match state {
            Step::Created => true,
            Step::Stopped | Step::Failed => may_restart,
            _ => false,
        };
        if !is_startable {
            let state = state.name();
            Some(StartError::NotStartable { state })
        } else if self.stop_requested {
            Some(StartError::StopRequested)
        } else {
            is_cancelled.then_some(StartError::Cancelled)
        }
    }

    fn push_end(&mut self, end: Step, cause: Option<Cause>) {
        self.attempts.push(Facts {
            is_told_to_end: true,
            end: Some(end),
            cause,
            ..Facts::default()
        });
    }

    fn tell_to_end(&mut self) {
        if let Some(facts) = self.under_way() {
            if !facts.is_told_to_end {
                facts.is_told_to_end = true;
                if !facts.is_published {
                    facts.cause = Some(Cause::new(FailureKind::Cancelled, true));
                }
            }
            facts.settle();
        }
    }

    fn stop(&mut self) {
        if self.attempts.is_empty() {
            self.push_end(Step::Stopped, None);
        } else {
            self.tell_to_end();
        }
    }

    fn request_stop(&mut self) -> bool {
        let is_first = !self.stop_requested;
        self.stop_requested = true;
        self.stop();
        is_first
    }

    fn abort(&mut self, drops_futures: bool) {
        self.request_stop();
        if let Some(facts) = self.under_way() {
            let is_first = !facts.is_aborted;
            facts.is_aborted = true;
            if is_first && drops_futures {
                self.fail(Cause::new(FailureKind::Dropped, true), false);
            }
        }
    }

    fn fail(&mut self, mut cause: Cause, is_provisional: bool) -> bool {
        if self.attempts.is_empty() {
            self.push_end(Step::Failed, Some(cause));
            return true;
        }
        match self.under_way() {
            Some(facts) if facts.cause.is_none() => {
                cause.was_told_to_end |= facts.is_told_to_end;
                facts.cause = Some(cause);
                facts.is_provisional = is_provisional;
                facts.is_told_to_end = true;
                facts.settle();
                true
            }
            _ => false,
        }
    }

    fn end_body(&mut self, end: BodyEnd) {
        let Some(facts) = self.under_way() else {
            return violation("a body ended without an attempt");
        };
        match end {
            BodyEnd::Published => facts.is_published = true,
            BodyEnd::Finished if !facts.is_published && !facts.is_told_to_end => {
                facts.is_over_unpublished = true;
                facts.is_told_to_end = true;
            }
            BodyEnd::Finished => facts.has_served = true,
            BodyEnd::Refused => {}
            BodyEnd::Failed(kind, message) => {
                let (replaces, was_told_to_end) = match &facts.cause {
                    None => (true, facts.is_told_to_end),
                    Some(cause) if cause.kind == FailureKind::Cancelled => (true, true),
                    Some(cause) => (facts.is_provisional, cause.was_told_to_end),
                };
                if replaces {
                    facts.cause = Some(Cause {
                        kind,
                        message: Some(message),
                        was_told_to_end,
                    });
                    facts.is_provisional = false;
                }
                facts.is_told_to_end = true;
            }
            BodyEnd::Dropped { by_abort } => {
                let was_told_to_end = by_abort || facts.is_told_to_end;
                let dropped = || Cause::new(FailureKind::Dropped, was_told_to_end);
                facts.cause.get_or_insert_with(dropped);
                facts.is_told_to_end = true;
            }
        }
        facts.has_body = false;
        facts.settle();
    }

    fn accepts(&self, kind: Kind) -> bool {
        self.is_under_way() && self.last().accepts(kind)
    }

    fn add_part(&mut self, kind: Kind) {
        if let Some(facts) = self.under_way() {
            if kind == Kind::Tracked {
                facts.tracked += 1;
            } else {
                facts.serving += 1;
            }
        }
    }

    fn end_part(&mut self, kind: Kind) {
        let Some(facts) = self.under_way() else {
            return violation("a part ended without an attempt");
        };
        if kind == Kind::Tracked {
            facts.tracked = facts.tracked.saturating_sub(1);
        } else {
            facts.serving = facts.serving.saturating_sub(1);
            facts.has_served |= facts.serving == 0;
        }
        facts.settle();
    }

    fn may_move(&self, from: Step, to: Step) -> bool {
        let facts = self.last();
        let is_told = facts.is_told_to_end || facts.end.is_some();
        let is_right = match to {
            Step::Stopping => !is_told,
            Step::Running | Step::Draining => facts.is_published && !is_told,
            _ => false,
        };
        self.state() == from && is_right
    }

    fn refusal(&self) -> Refusal {
        match self.last().cause {
            Some(cause) if cause.kind == FailureKind::Cancelled => Refusal::Cancelled,
            Some(cause) => Refusal::Failed(cause),
            None => Refusal::Failed(Cause::new(FailureKind::Dropped, true)),
        }
    }
}

#[derive(Debug)]
enum Refusal {
    Cancelled,
    Failed(Cause),
}

impl Refusal {
    fn matches(&self, error: &StartError) -> bool {
        match (self, error) {
            (Self::Cancelled, StartError::Cancelled) => true,
            (Self::Failed(cause), StartError::Failed(failure)) => cause.matches(failure),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Served,
    Local,
    Tracked,
    Guard,
}

/// The script of one poll of a body or a part.
#[derive(Clone, Debug)]
struct Turn {
    actions: Vec<Action>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    CancelToken,
    CancelOwnToken,
    RequestStop,
    Abort,
    Fail,
    MoveToStopping,
    Publish,
    /// A part joins. The body keeps it, or hands it out.
    Join(Kind, Owner),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Owner {
    Body,
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Suspend,
    Succeed,
    Fail,
    Panic,
}

const PEACEFUL_ACTIONS: &[Action] = &[
    Action::Publish,
    Action::Publish,
    Action::Publish,
    Action::Publish,
    Action::Join(Kind::Served, Owner::Body),
    Action::Join(Kind::Local, Owner::Body),
    Action::Join(Kind::Guard, Owner::Body),
    Action::Join(Kind::Served, Owner::Test),
    Action::Join(Kind::Served, Owner::Test),
    Action::Join(Kind::Local, Owner::Test),
    Action::Join(Kind::Local, Owner::Test),
    Action::Join(Kind::Guard, Owner::Test),
    Action::Join(Kind::Tracked, Owner::Test),
    Action::Join(Kind::Tracked, Owner::Test),
];

/// The actions that tell the attempt to end.
const ENDING_ACTIONS: &[Action] = &[
    Action::CancelToken,
    Action::CancelOwnToken,
    Action::RequestStop,
    Action::Abort,
    Action::Abort,
    Action::Fail,
    Action::MoveToStopping,
];

/// The cell, its model, and the parts of the history that scripts need.
struct Shared {
    cell: StateCell<Step>,
    model: Mutex<Model>,
    /// The token that guards the attempt under way.
    guard_token: Mutex<Option<CancellationToken>>,
    own_tokens: Mutex<Vec<(usize, CancellationToken)>>,
    probes: Mutex<Vec<Arc<Probe>>>,
    causes: Mutex<usize>,
}

/// On one thread, a lock that is taken is a mistake of the test.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(error)) => error.into_inner(),
        Err(TryLockError::WouldBlock) => panic!("locked twice"),
    }
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    fn cause_text(&self) -> String {
        let mut causes = lock(&self.causes);
        *causes += 1;
        format!("cause {causes}")
    }

    fn perform(&self, action: Action) {
        match action {
            Action::CancelToken => {
                let token = lock(&self.guard_token).clone();
                if let Some(token) = token {
                    self.cancel(&token);
                }
            }
            Action::CancelOwnToken => {
                if let Some(own) = self.take_own_token() {
                    self.cancel(&own);
                }
            }
            Action::RequestStop => {
                let is_first = self.cell.request_stop();
                let expected = self.model().request_stop();
                if is_first != expected {
                    violation(format!("R14: request_stop() returned {is_first}"));
                }
            }
            Action::Abort => self.abort(),
            Action::Fail => {
                let text = self.cause_text();
                let fails = self.cell.fail(&text);
                let mut cause = Cause::new(FailureKind::Error, false);
                cause.message = Some(text);
                if fails != self.model().fail(cause, false) {
                    violation(format!("fail() returned {fails}"));
                }
            }
            Action::MoveToStopping => self.transition(self.cell.state(), Step::Stopping),
            Action::Publish => self.publish(&self.cell.publisher(), self.publisher_id()),
            Action::Join(..) => violation("only a body makes a part join"),
        }
    }

    /// Cancels `token`. If that guards the attempt under way, or is its own, the cancelling call has
    /// moved the cell when it returns (G2, G6).
    fn cancel(&self, token: &CancellationToken) {
        token.cancel();
        let id = self.model().id();
        let is_cancelled = |token: &CancellationToken| token.is_cancelled();
        let is_guard = lock(&self.guard_token).as_ref().is_some_and(is_cancelled);
        let own_tokens = lock(&self.own_tokens);
        let is_own = (own_tokens.iter()).any(|(of, own)| *of == id && own.is_cancelled());
        drop(own_tokens);
        if is_guard || is_own {
            self.model().tell_to_end();
        }
    }

    fn abort(&self) {
        let pending = self.pending_probes();
        let aborts = self.model().is_under_way();
        self.cell.abort();
        self.model().abort(!pending.is_empty());
        if aborts && pending.iter().any(|probe| !probe.is_dropped.get()) {
            violation("abort() has left a future that was not polled");
        }
    }

    /// The `Send` futures of the attempt under way that have not run.
    fn pending_probes(&self) -> Vec<Arc<Probe>> {
        let probes = lock(&self.probes);
        let pending = probes.iter().filter(|probe| {
            let is_send = matches!(probe.kind, Kind::Served | Kind::Tracked);
            is_send && probe.is_part.get() && !probe.has_run.get() && !probe.is_dropped.get()
        });
        pending.cloned().collect()
    }

    fn transition(&self, from: Step, to: Step) {
        let moved = self.cell.transition(from, to);
        let mut model = self.model();
        if moved.is_ok() != model.may_move(from, to) {
            violation(format!("transition({from:?}, {to:?}) returned {moved:?}"));
        } else if let Err(error) = moved {
            if error.actual() != model.state() {
                violation(format!("transition() says {:?}", error.actual()));
            }
        } else if to == Step::Stopping {
            model.stop();
        } else if let Some(facts) = model.under_way() {
            facts.is_draining = to == Step::Draining;
        }
    }

    /// The attempt that a publisher made now is bound to.
    fn publisher_id(&self) -> Option<usize> {
        let model = self.model();
        model.is_under_way().then(|| model.id())
    }

    fn publish(&self, publisher: &Publisher<Step>, id: Option<usize>) {
        let returned = publisher.publish();
        let mut model = self.model();
        let is_bound = id == Some(model.id());
        let mut is_published = false;
        if let Some(facts) = model.under_way().filter(|_| is_bound) {
            if facts.is_run && facts.has_body && !facts.is_told_to_end {
                facts.is_published = true;
            }
            facts.settle();
            let is_run = facts.is_run && facts.has_body;
            is_published = is_run && facts.is_published && !facts.is_told_to_end;
        }
        if returned != is_published {
            violation(format!("publish() returned {returned}"));
        }
    }

    fn take_own_token(&self) -> Option<CancellationToken> {
        let own = self.cell.token();
        let model = self.model();
        let (id, is_under_way) = (model.id(), model.is_under_way());
        drop(model);
        if own.is_some() != is_under_way {
            violation(format!("token() returned {own:?}"));
        }
        if let Some(own) = &own {
            lock(&self.own_tokens).push((id, own.clone()));
        }
        own
    }

    /// Tells the model which parts are gone.
    fn remove_dropped_parts(&self) {
        let probes = lock(&self.probes).clone();
        for probe in probes.iter().filter(|probe| probe.is_dropped.get()) {
            self.remove_part(probe);
        }
        lock(&self.probes).retain(|probe| probe.is_part.get());
    }

    fn remove_part(&self, probe: &Probe) {
        if probe.is_part.take() {
            self.model().end_part(probe.kind);
        }
    }
}

/// A flag that a `Send` future may share.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// The test's knowledge of one part.
struct Probe {
    kind: Kind,
    id: usize,
    is_part: Flag,
    has_run: Flag,
    is_dropped: Flag,
    turn: Mutex<Option<Turn>>,
}

/// The future of a part.
struct PartFuture {
    shared: Arc<Shared>,
    probe: Arc<Probe>,
}

impl Future for PartFuture {
    type Output = Result<(), String>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { shared, probe } = &*self;
        let published = (shared.model().attempt(probe.id)).is_some_and(|facts| facts.is_published);
        if !published {
            violation("a part ran before its start had published");
        }
        probe.has_run.set();
        let Some(turn) = lock(&probe.turn).take() else {
            return Poll::Pending;
        };
        for action in turn.actions {
            shared.perform(action);
        }
        match turn.end {
            End::Suspend => Poll::Pending,
            End::Succeed => Poll::Ready(Ok(())),
            End::Fail => Poll::Ready(Err("failed".to_owned())),
            End::Panic => scripted_panic("scripted"),
        }
    }
}

impl Drop for PartFuture {
    fn drop(&mut self) {
        self.probe.is_dropped.set();
        let state = self.shared.cell.state();
        if self.probe.is_part.get() && matches!(state, Step::Stopped | Step::Failed) {
            violation(format!(
                "G4: {state:?} could be read before a part was dropped"
            ));
        }
    }
}

/// A future with a waker of its own.
struct Task<F: Future + ?Sized> {
    future: Option<Pin<Box<F>>>,
    woken: Arc<Flag>,
    is_pending: bool,
}

impl<F: Future + ?Sized> Task<F> {
    fn new(future: Pin<Box<F>>) -> Self {
        Self {
            future: Some(future),
            woken: Arc::default(),
            is_pending: false,
        }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let future = self.future.as_mut().expect("it is dropped at the end");
        self.woken.take();
        let waker = Waker::from(Arc::clone(&self.woken));
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        self.is_pending = poll.is_pending();
        poll
    }

    /// It was left pending, and nothing has woken it since.
    fn sleeps(&self) -> bool {
        self.is_pending && !self.woken.get()
    }
}

impl<F: Future + ?Sized> Drop for Task<F> {
    fn drop(&mut self) {
        self.future = None;
        if Arc::strong_count(&self.woken) > 1 {
            violation("the waker of a dropped task was left behind");
        }
    }
}

/// A part, and the task that owns it.
struct Part {
    task: Option<Task<Served<Step, PartFuture>>>,
    probe: Arc<Probe>,
    shared: Arc<Shared>,
}

impl Part {
    fn join(shared: &Arc<Shared>, kind: Kind) -> Self {
        let (id, accepts) = {
            let model = shared.model();
            (model.id(), model.accepts(kind))
        };
        let probe = Arc::new(Probe {
            kind,
            id,
            is_part: Flag::default(),
            has_run: Flag::default(),
            is_dropped: Flag::default(),
            turn: Mutex::default(),
        });
        let future = PartFuture {
            shared: Arc::clone(shared),
            probe: Arc::clone(&probe),
        };
        let served = match kind {
            Kind::Local => shared.cell.serve_local(future),
            Kind::Tracked => shared.cell.track(future),
            Kind::Served | Kind::Guard => shared.cell.serve(future),
        };
        if accepts == probe.is_dropped.get() {
            violation(format!("a part joined against the rules: {kind:?}"));
        }
        if accepts {
            probe.is_part.set();
            shared.model().add_part(kind);
            lock(&shared.probes).push(Arc::clone(&probe));
        }
        Self {
            task: Some(Task::new(Box::pin(served))),
            probe,
            shared: Arc::clone(shared),
        }
    }

    /// A poll would do something.
    fn must_be_woken(&self) -> bool {
        if self.probe.is_dropped.get() {
            return true;
        }
        let model = self.shared.model();
        let facts = model.attempt(self.probe.id).cloned().unwrap_or_default();
        let runs = facts.is_published && !self.probe.has_run.get();
        let is_refused = facts.must_refuse() && self.probe.kind == Kind::Local;
        runs || is_refused || facts.is_aborted
    }
}

impl Drop for Part {
    /// A served future that is dropped before its end fails the service.
    fn drop(&mut self) {
        if !self.probe.is_dropped.get() && self.probe.kind != Kind::Tracked {
            let cause = Cause::new(FailureKind::Dropped, false);
            let is_provisional = !self.probe.has_run.get();
            self.shared.model().fail(cause, is_provisional);
        }
        self.task = None;
        if !self.probe.is_dropped.get() {
            violation("a future outlived its task");
        }
        self.shared.remove_part(&self.probe);
    }
}

/// A `ServeGuard`, which fails the service if it is dropped in a panic.
struct Guard {
    inner: Option<ServeGuard<Step>>,
    is_part: bool,
    id: usize,
    shared: Arc<Shared>,
}

impl Guard {
    fn join(shared: &Arc<Shared>) -> Self {
        let guard = shared.cell.serve_guard();
        let mut model = shared.model();
        let is_part = model.accepts(Kind::Guard);
        if is_part {
            model.add_part(Kind::Guard);
        } else if !guard.token().is_cancelled() {
            violation("the token of a guard without an attempt is live");
        }
        Self {
            inner: Some(guard),
            is_part,
            id: model.id(),
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_part && std::thread::panicking() {
            let cause = Cause::new(FailureKind::Panicked, false);
            self.shared.model().fail(cause, false);
        }
        self.inner = None;
        if self.is_part {
            self.shared.model().end_part(Kind::Guard);
        }
    }
}

/// A part that joined in a body.
enum Joined {
    Part(Part),
    Guard(Guard),
}

impl Joined {
    fn join(shared: &Arc<Shared>, kind: Kind) -> Self {
        match kind {
            Kind::Guard => Self::Guard(Guard::join(shared)),
            kind => Self::Part(Part::join(shared, kind)),
        }
    }
}

/// The reaction of a body that is dropped before its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OnDrop {
    Nothing,
    Panic,
    RequestStop,
}

/// The script of a body, shared by the body and the history.
struct Script {
    shared: Arc<Shared>,
    turn: RefCell<Option<Turn>>,
    on_drop: Cell<OnDrop>,
    handed_out: RefCell<Vec<Joined>>,
    publisher: RefCell<Option<Publisher<Step>>>,
}

/// The captures of a body.
struct BodyState(Rc<Script>);

impl BodyState {
    fn see_token(&self, token: CancellationToken) {
        let shared = &self.0.shared;
        let id = shared.model().id();
        lock(&shared.own_tokens).push((id, token));
    }

    /// Makes one turn. Returns how the body ends, if it does.
    fn make(&self, turn: Turn, kept: &mut Vec<Joined>) -> Option<Result<(), Error>> {
        let Script { shared, .. } = &*self.0;
        for action in turn.actions {
            match (action, &*self.0.publisher.borrow()) {
                (Action::Join(kind, owner), _) => {
                    let joined = Joined::join(shared, kind);
                    match owner {
                        Owner::Body => kept.push(joined),
                        Owner::Test => self.0.handed_out.borrow_mut().push(joined),
                    }
                }
                (Action::Publish, Some(publisher)) => {
                    shared.publish(publisher, shared.publisher_id());
                }
                (action, _) => shared.perform(action),
            }
        }
        if turn.end != End::Suspend {
            self.0.on_drop.set(OnDrop::Nothing);
        }
        match turn.end {
            End::Suspend => None,
            End::Succeed => Some(Ok(())),
            End::Fail => Some(Err(Error::Own)),
            End::Panic => scripted_panic("scripted"),
        }
    }

    /// An async body: one turn at each poll.
    async fn run(self) -> Result<(), Error> {
        let mut kept = Vec::new();
        loop {
            let next = |_: &mut Context<'_>| match self.0.turn.borrow_mut().take() {
                Some(turn) => Poll::Ready(turn),
                None => Poll::Pending,
            };
            let turn = poll_fn(next).await;
            if let Some(end) = self.make(turn, &mut kept) {
                return end;
            }
        }
    }
}

impl Drop for BodyState {
    fn drop(&mut self) {
        let Script {
            shared, on_drop, ..
        } = &*self.0;
        let state = shared.cell.state();
        if matches!(state, Step::Stopped | Step::Failed) {
            violation(format!(
                "G4: {state:?} could be read before the body was dropped"
            ));
        }
        match on_drop.get() {
            OnDrop::Nothing => {}
            OnDrop::Panic => scripted_panic("in a destructor"),
            OnDrop::RequestStop => shared.perform(Action::RequestStop),
        }
    }
}

#[derive(Debug)]
enum Error {
    Refused(StartError),
    Own,
}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Own => f.write_str("own error"),
        }
    }
}

/// The attempt under way, driven or not.
enum Driver {
    Undriven(Attempt<Step>),
    Start(StartTask),
}

struct StartTask {
    task: Task<dyn Future<Output = Result<(), Error>>>,
    script: Rc<Script>,
    is_run: bool,
    is_polled: bool,
}

/// The result of a wait.
#[derive(Debug)]
enum Heard {
    Running(Result<(), NotRunning>),
    Ended(Result<(), Failure>),
    State(Step),
}

/// The result that a wait should have.
#[derive(Clone, Debug)]
enum Expected {
    Running,
    NotRunning(Option<Cause>),
    /// For a guard, whose wait is over before the cause is final.
    NotPublished,
    Ended(Option<Cause>),
    State(Step),
}

impl Expected {
    fn matches(&self, heard: &Heard) -> bool {
        match (self, heard) {
            (Self::Running, Heard::Running(Ok(())))
            | (Self::NotPublished, Heard::Running(Err(_))) => true,
            (Self::NotRunning(cause), Heard::Running(Err(error))) => {
                same_cause(cause.as_ref(), error.failure())
            }
            (Self::Ended(cause), Heard::Ended(result)) => {
                let is_error = |cause: &&Cause| cause.kind != FailureKind::Cancelled;
                same_cause(cause.as_ref().filter(is_error), result.as_ref().err())
            }
            (Self::State(expected), Heard::State(state)) => expected == state,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
enum WaitKind {
    Running,
    Published,
    Stopped,
    Stop,
    /// With whether the deadline is over.
    StopOrAbort(Rc<Cell<bool>>),
    State(Step),
}

/// Which attempt a wait is for.
enum Bound {
    /// The call is made at the first poll.
    NotYet,
    Known(Expected),
    To(usize),
}

struct WaitTask {
    task: Task<dyn Future<Output = Heard>>,
    kind: WaitKind,
    bound: Bound,
    has_aborted: bool,
}

impl WaitTask {
    fn new(shared: &Shared, kind: WaitKind) -> Self {
        let cell = &shared.cell;
        let task: Pin<Box<dyn Future<Output = Heard>>> = match &kind {
            WaitKind::Running | WaitKind::Published => {
                let running = cell.running();
                Box::pin(async { Heard::Running(running.await) })
            }
            WaitKind::Stopped => {
                let stopped = cell.stopped();
                Box::pin(async { Heard::Ended(stopped.await) })
            }
            WaitKind::Stop => {
                let stop = cell.stop();
                Box::pin(async { Heard::Ended(stop.await) })
            }
            WaitKind::StopOrAbort(deadline) => {
                let deadline = Rc::clone(deadline);
                let stop = cell.stop_or_abort(poll_fn(move |_| {
                    if deadline.get() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                }));
                Box::pin(async { Heard::Ended(stop.await) })
            }
            WaitKind::State(state) => {
                let state = *state;
                let wait = cell.wait_for(move |seen| seen == state);
                Box::pin(async { Heard::State(wait.await) })
            }
        };
        let model = shared.model();
        let bound = match &kind {
            WaitKind::Running | WaitKind::Published => Self::bind_running(&model),
            WaitKind::Stopped => Self::bind_ended(&model),
            WaitKind::Stop | WaitKind::StopOrAbort(_) => Bound::NotYet,
            WaitKind::State(state) => Bound::Known(Expected::State(*state)),
        };
        Self {
            task: Task::new(task),
            kind,
            bound,
            has_aborted: false,
        }
    }

    fn for_guard(guard: &Guard) -> Self {
        let published = guard.inner.as_ref().expect("it is not dropped").published();
        let task: Pin<Box<dyn Future<Output = Heard>>> =
            Box::pin(async { Heard::Running(published.await) });
        Self {
            task: Task::new(task),
            kind: WaitKind::Published,
            bound: if guard.is_part {
                Bound::To(guard.id)
            } else {
                Bound::Known(Expected::NotPublished)
            },
            has_aborted: false,
        }
    }

    fn bind_running(model: &Model) -> Bound {
        let facts = model.last();
        match model.state() {
            Step::Created | Step::Starting => Bound::To(model.id().max(1)),
            Step::Running | Step::Draining => Bound::Known(Expected::Running),
            _ => Bound::Known(Expected::NotRunning(facts.final_cause().cloned())),
        }
    }

    fn bind_ended(model: &Model) -> Bound {
        match model.last() {
            Facts {
                end: Some(_),
                cause,
                ..
            } => Bound::Known(Expected::Ended(cause)),
            _ => Bound::To(model.id().max(1)),
        }
    }

    /// The result of a poll now. `None` if it should be pending.
    fn expected(&self, model: &Model) -> Option<Expected> {
        let id = match &self.bound {
            Bound::NotYet => return None,
            Bound::Known(Expected::State(state)) => {
                return (model.state() == *state).then_some(Expected::State(*state));
            }
            Bound::Known(expected) => return Some(expected.clone()),
            Bound::To(id) => *id,
        };
        let facts = model.attempt(id)?;
        let is_over = facts.end.is_some();
        match self.kind {
            WaitKind::Running | WaitKind::Published if facts.is_published => {
                Some(Expected::Running)
            }
            WaitKind::Running => is_over.then(|| Expected::NotRunning(facts.cause.clone())),
            WaitKind::Published => facts.is_told_to_end.then_some(Expected::NotPublished),
            _ => is_over.then(|| Expected::Ended(facts.cause.clone())),
        }
    }

    fn poll(&mut self, shared: &Shared) {
        let pending = shared.pending_probes();
        let polled = self.task.poll();
        if let Bound::NotYet = self.bound {
            self.bound = Self::bind_ended(&shared.model());
            shared.model().request_stop();
        }
        if let WaitKind::StopOrAbort(deadline) = &self.kind {
            let is_over = self.expected(&shared.model()).is_some();
            if deadline.get() && !is_over && !self.has_aborted {
                self.has_aborted = true;
                shared.model().abort(!pending.is_empty());
            }
        }
        shared.remove_dropped_parts();
        let expected = self.expected(&shared.model());
        let agrees = match (&expected, &polled) {
            (None, Poll::Pending) => true,
            (Some(expected), Poll::Ready(heard)) => expected.matches(heard),
            _ => false,
        };
        if !agrees {
            violation(format!("a wait returned {polled:?}, expected {expected:?}"));
        }
    }
}

struct History {
    random: Random,
    shared: Arc<Shared>,
    root: CancellationToken,
    driver: Option<Driver>,
    parts: Vec<Part>,
    guards: Vec<Guard>,
    waits: Vec<WaitTask>,
    publishers: Vec<(Publisher<Step>, Option<usize>)>,
    seed: u64,
    log: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            shared: Arc::new(Shared {
                cell: StateCell::new(),
                model: Mutex::default(),
                guard_token: Mutex::default(),
                own_tokens: Mutex::default(),
                probes: Mutex::default(),
                causes: Mutex::default(),
            }),
            root: CancellationToken::new(),
            driver: None,
            parts: Vec::new(),
            guards: Vec::new(),
            waits: Vec::new(),
            publishers: Vec::new(),
            seed,
            log: Vec::new(),
        }
    }

    fn log(&mut self, text: impl Into<String>) {
        self.log.push(text.into());
    }

    /// Makes one operation.
    fn step(&mut self) {
        match self.random.below(32) {
            0..=10 => self.advance(),
            11..=12 => self.begin(),
            13 => self.join(),
            14..=17 => self.poll_part(),
            18 => self.drop_part(),
            19 => self.drop_guard(),
            20..=21 => self.wait(),
            22..=24 => self.poll_wait(),
            25 => self.drop_wait(),
            26 => self.take_token(),
            27 => self.transition(),
            28 => self.publish(),
            29 => self.rearm(),
            _ => self.interfere(),
        }
    }

    /// Goes on with the start, or begins one.
    fn advance(&mut self) {
        let is_idle = !self.shared.model().is_under_way();
        match &self.driver {
            Some(Driver::Undriven(_)) => self.drive(),
            Some(Driver::Start(_)) => self.poll_start(),
            None if is_idle && self.shared.cell.stop_requested() => self.rearm(),
            None if is_idle => self.begin(),
            None => self.poll_part(),
        }
    }

    /// Does what may end the attempt.
    fn interfere(&mut self) {
        match self.random.below(20) {
            0 => self.drop_driver(),
            1 => self.cancel_token(),
            2..=7 => {
                let action = self.random.pick(ENDING_ACTIONS);
                self.log(format!("{action:?}"));
                self.shared.perform(action);
            }
            // Most attempts should live for a while.
            _ => {}
        }
    }

    fn begin(&mut self) {
        if self.root.is_cancelled() {
            self.root = CancellationToken::new();
        }
        let token = match self.random.below(8) {
            0 => None,
            1 => {
                let cancelled = CancellationToken::new();
                cancelled.cancel();
                Some(cancelled)
            }
            2 => Some(CancellationToken::new()),
            _ => Some(self.root.child_token()),
        };
        let may_restart = !self.random.one_in(4);
        let is_cancelled = token.as_ref().is_some_and(CancellationToken::is_cancelled);
        let begun = if may_restart {
            self.shared.cell.begin_again(&token)
        } else {
            self.shared.cell.begin(&token)
        };
        self.log(format!(
            "begin, restart {may_restart}, cancelled {is_cancelled}: {begun:?}"
        ));
        let mut model = self.shared.model();
        let expected = model.entry_error(may_restart, is_cancelled);
        if begun.as_ref().err() != expected.as_ref() {
            violation(format!("a start should have got {expected:?}"));
        }
        match begun {
            Ok(attempt) => {
                model.attempts.push(Facts {
                    has_body: true,
                    ..Facts::default()
                });
                drop(model);
                *lock(&self.shared.guard_token) = token;
                self.driver = Some(Driver::Undriven(attempt));
            }
            Err(StartError::Cancelled) => {
                let cause = Cause::new(FailureKind::Cancelled, true);
                model.push_end(Step::Failed, Some(cause));
            }
            Err(_) => {}
        }
    }

    fn script(&mut self) -> Rc<Script> {
        let on_drop = [
            OnDrop::Nothing,
            OnDrop::Nothing,
            OnDrop::Panic,
            OnDrop::RequestStop,
        ];
        Rc::new(Script {
            shared: Arc::clone(&self.shared),
            turn: RefCell::default(),
            on_drop: Cell::new(self.random.pick(&on_drop)),
            handed_out: RefCell::default(),
            publisher: RefCell::default(),
        })
    }

    /// A turn of a body, or of a part.
    fn turn(&mut self, peaceful: &[Action], ends: &[End]) -> Turn {
        let mut actions = Vec::new();
        for _ in 0..self.random.below(3) {
            if self.random.one_in(10) {
                actions.push(self.random.pick(ENDING_ACTIONS));
            } else if !peaceful.is_empty() {
                actions.push(self.random.pick(peaceful));
            }
        }
        let end = self.random.pick(ends);
        Turn { actions, end }
    }

    /// Gives a body to an attempt that has none.
    fn drive(&mut self) {
        let Some(Driver::Undriven(attempt)) = self
            .driver
            .take_if(|driver| matches!(driver, Driver::Undriven(_)))
        else {
            return;
        };
        let script = self.script();
        let body = BodyState(Rc::clone(&script));
        let choice = self.random.below(3);
        if choice == 0 {
            return self.start_sync(attempt, &script, body);
        }
        let is_run = choice == 1;
        self.log(format!(
            "drive, run {is_run}, on drop {:?}",
            script.on_drop.get()
        ));
        let future: Pin<Box<dyn Future<Output = Result<(), Error>>>> = if is_run {
            Box::pin(attempt.run(async move |token, publisher| {
                body.see_token(token);
                *body.0.publisher.borrow_mut() = Some(publisher);
                body.run().await
            }))
        } else {
            Box::pin(attempt.start(async move |token| {
                body.see_token(token);
                body.run().await
            }))
        };
        self.driver = Some(Driver::Start(StartTask {
            task: Task::new(future),
            script,
            is_run,
            is_polled: false,
        }));
    }

    fn start_sync(&mut self, attempt: Attempt<Step>, script: &Rc<Script>, body: BodyState) {
        let ends = [
            End::Succeed,
            End::Succeed,
            End::Succeed,
            End::Succeed,
            End::Fail,
            End::Panic,
        ];
        let turn = self.turn(PEACEFUL_ACTIONS, &ends);
        self.log(format!(
            "start_sync {turn:?}, on drop {:?}",
            script.on_drop.get()
        ));
        let interrupts = self.shared.model().last().interrupts();
        let on_drop = script.on_drop.get();
        let end = turn.end;
        let was_called = Cell::new(false);
        let called = &was_called;
        let returned = catch_unwind(AssertUnwindSafe(|| {
            attempt.start_sync(move |token| {
                called.set(true);
                body.see_token(token);
                let mut kept = Vec::new();
                body.make(turn, &mut kept).unwrap_or(Ok(()))
            })
        }));
        if was_called.get() == interrupts {
            violation("a sync body was called against the rules");
        }
        let end = if interrupts { None } else { Some(end) };
        self.end_body(end, on_drop, false, &returned);
        self.take_handed_out(script);
    }

    fn take_handed_out(&mut self, script: &Script) {
        for joined in script.handed_out.take() {
            match joined {
                Joined::Part(part) => self.parts.push(part),
                Joined::Guard(guard) => self.guards.push(guard),
            }
        }
    }

    /// The body is gone. `end` is how it ended by itself, if it did.
    fn end_body(
        &mut self,
        end: Option<End>,
        on_drop: OnDrop,
        is_run: bool,
        returned: &std::thread::Result<Result<(), Error>>,
    ) {
        let mut model = self.shared.model();
        let (must_refuse, refusal) = (model.last().must_refuse(), model.refusal());
        let panicked = |text: &str| BodyEnd::Failed(FailureKind::Panicked, text.to_owned());
        let is_refused =
            |error: &Error| matches!(error, Error::Refused(error) if refusal.matches(error));
        let (agrees, body_end) = match (end, returned) {
            (None, returned) if on_drop == OnDrop::Panic => {
                (returned.is_err(), panicked("panicked: in a destructor"))
            }
            (None, Ok(Err(error))) if must_refuse => (is_refused(error), BodyEnd::Refused),
            (None, Ok(Err(error))) => (is_refused(error), BodyEnd::Dropped { by_abort: true }),
            (Some(End::Succeed), Ok(Ok(()))) if is_run => (true, BodyEnd::Finished),
            (Some(End::Succeed), Ok(Err(error))) => (
                must_refuse && !is_run && is_refused(error),
                BodyEnd::Refused,
            ),
            (Some(End::Succeed), Ok(Ok(()))) => (!must_refuse, BodyEnd::Published),
            (Some(End::Fail), Ok(Err(Error::Own))) => (
                true,
                BodyEnd::Failed(FailureKind::Error, "own error".to_owned()),
            ),
            (Some(End::Panic), Err(_)) => (true, panicked("panicked: scripted")),
            _ => (false, BodyEnd::Refused),
        };
        if !agrees {
            violation(format!(
                "a start returned {returned:?}, its body ended as {end:?}"
            ));
        }
        model.end_body(body_end);
    }

    fn poll_start(&mut self) {
        let Some(Driver::Start(mut start)) = self
            .driver
            .take_if(|driver| matches!(driver, Driver::Start(_)))
        else {
            return;
        };
        let ends = [
            End::Suspend,
            End::Suspend,
            End::Suspend,
            End::Succeed,
            End::Succeed,
            End::Fail,
            End::Panic,
        ];
        let turn = self.turn(PEACEFUL_ACTIONS, &ends);
        self.log(format!("poll the start: {turn:?}"));
        let end = turn.end;
        let on_drop = start.script.on_drop.get();
        let interrupts = {
            let mut model = self.shared.model();
            if let (true, Some(facts)) = (start.is_run, model.under_way()) {
                facts.is_run = true;
            }
            model.last().interrupts()
        };
        start.is_polled = true;
        *start.script.turn.borrow_mut() = Some(turn);
        let polled = catch_unwind(AssertUnwindSafe(|| start.task.poll()));
        let is_left = start.script.turn.take().is_some();
        if is_left != interrupts {
            violation("a body was polled against the rules");
        }
        self.take_handed_out(&Rc::clone(&start.script));
        let is_interrupted =
            interrupts || end == End::Suspend && self.shared.model().last().interrupts();
        let end = (!is_interrupted).then_some(end);
        match polled {
            Ok(Poll::Pending) if end == Some(End::Suspend) => {
                self.driver = Some(Driver::Start(start));
            }
            Ok(Poll::Pending) => violation("a start did not return"),
            Ok(Poll::Ready(returned)) => self.end_body(end, on_drop, start.is_run, &Ok(returned)),
            Err(payload) => self.end_body(end, on_drop, start.is_run, &Err(payload)),
        }
    }

    fn drop_driver(&mut self) {
        let Some(driver) = self.driver.take() else {
            return;
        };
        self.log("drop the start");
        let panics = match &driver {
            Driver::Start(start) => start.script.on_drop.get() == OnDrop::Panic,
            Driver::Undriven(_) => false,
        };
        let is_polled = matches!(&driver, Driver::Start(start) if start.is_polled);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(driver)));
        if dropped.is_err() != panics {
            violation(format!("the drop of a start returned {dropped:?}"));
        }
        self.shared.model().end_body(if panics && is_polled {
            let text = "panicked: in a destructor".to_owned();
            BodyEnd::Failed(FailureKind::Panicked, text)
        } else {
            BodyEnd::Dropped { by_abort: false }
        });
    }

    fn join(&mut self) {
        let kinds = [Kind::Served, Kind::Local, Kind::Tracked, Kind::Guard];
        let kind = self.random.pick(&kinds);
        // On a cell that was never started, a future is a mistake, and panics in debug builds.
        if kind == Kind::Guard || self.shared.model().id() > 0 {
            self.log(format!("join {kind:?}"));
            match Joined::join(&self.shared, kind) {
                Joined::Part(part) => self.parts.push(part),
                Joined::Guard(guard) => self.guards.push(guard),
            }
        }
    }

    fn poll_part(&mut self) {
        let Some(index) = self.random.index(&self.parts) else {
            return;
        };
        let ends = [
            End::Suspend,
            End::Suspend,
            End::Suspend,
            End::Succeed,
            End::Succeed,
            End::Fail,
            End::Panic,
        ];
        let turn = self.turn(&[], &ends);
        let probe = Arc::clone(&self.parts[index].probe);
        self.log(format!(
            "poll a {:?} part of {}: {turn:?}",
            probe.kind, probe.id
        ));
        let end = turn.end;
        let is_gone = probe.is_dropped.get();
        let facts = self
            .shared
            .model()
            .attempt(probe.id)
            .cloned()
            .unwrap_or_default();
        let is_aborted = facts.is_aborted && (probe.has_run.get() || probe.kind == Kind::Local);
        let is_refused = facts.must_refuse() && probe.kind == Kind::Local;
        let runs = !is_gone && facts.is_published && !facts.is_aborted;
        *lock(&probe.turn) = Some(turn);
        let task = self.parts[index]
            .task
            .as_mut()
            .expect("it is dropped at the end");
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll()));
        lock(&probe.turn).take();

        let mut model = self.shared.model();
        let agrees = if is_gone {
            matches!(polled, Ok(Poll::Ready(None)))
        } else if is_aborted || is_refused {
            if facts.is_published {
                model.fail(Cause::new(FailureKind::Dropped, true), false);
            }
            matches!(polled, Ok(Poll::Ready(None))) && probe.is_dropped.get()
        } else if runs {
            let fails = match end {
                End::Fail => Some((FailureKind::Error, "failed")),
                End::Panic => Some((FailureKind::Panicked, "panicked: scripted")),
                End::Suspend | End::Succeed => None,
            };
            if let (Some((kind, text)), true) = (fails, probe.kind != Kind::Tracked) {
                let mut cause = Cause::new(kind, false);
                cause.message = Some(text.to_owned());
                model.fail(cause, false);
            }
            match end {
                End::Suspend => matches!(polled, Ok(Poll::Pending)),
                End::Succeed => matches!(polled, Ok(Poll::Ready(Some(Ok(()))))),
                End::Fail => matches!(polled, Ok(Poll::Ready(Some(Err(_))))),
                End::Panic => polled.is_err(),
            }
        } else {
            matches!(polled, Ok(Poll::Pending))
        };
        drop(model);
        if !agrees {
            violation(format!("a part returned {polled:?}"));
        }
        if !matches!(polled, Ok(Poll::Pending)) {
            self.shared.remove_dropped_parts();
            drop(self.parts.swap_remove(index));
        }
    }

    fn drop_part(&mut self) {
        if let Some(index) = self.random.index(&self.parts) {
            let probe = &self.parts[index].probe;
            let text = format!("drop a {:?} part of {}", probe.kind, probe.id);
            self.log(text);
            drop(self.parts.swap_remove(index));
        }
    }

    fn drop_guard(&mut self) {
        let Some(index) = self.random.index(&self.guards) else {
            return;
        };
        let guard = self.guards.swap_remove(index);
        let panics = self.random.one_in(3);
        self.log(format!("drop a guard of {}, in a panic {panics}", guard.id));
        if panics {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _guard = guard;
                scripted_panic("in a thread")
            }));
            assert!(panicked.is_err());
        }
    }

    fn wait(&mut self) {
        let kind = match self.random.below(7) {
            0 | 1 => WaitKind::Running,
            2 | 3 => WaitKind::Stopped,
            4 => WaitKind::State(self.random.pick(STEPS)),
            5 if self.random.one_in(3) => WaitKind::Stop,
            5 => WaitKind::StopOrAbort(Rc::default()),
            _ => match self.random.index(&self.guards) {
                Some(index) => {
                    self.log("wait for publication, by a guard");
                    return self.waits.push(WaitTask::for_guard(&self.guards[index]));
                }
                None => return,
            },
        };
        self.log(format!("wait: {kind:?}"));
        self.waits.push(WaitTask::new(&self.shared, kind));
    }

    fn poll_wait(&mut self) {
        let Some(index) = self.random.index(&self.waits) else {
            return;
        };
        let wait = &mut self.waits[index];
        if let WaitKind::StopOrAbort(deadline) = &wait.kind {
            deadline.set(deadline.get() || self.random.one_in(2));
        }
        let text = format!("poll {:?}", wait.kind);
        wait.poll(&self.shared);
        if !wait.task.is_pending {
            self.waits.swap_remove(index);
        }
        self.log(text);
    }

    fn drop_wait(&mut self) {
        if let Some(index) = self.random.index(&self.waits) {
            self.log("drop a wait");
            self.waits.swap_remove(index);
        }
    }

    fn take_token(&mut self) {
        self.log("take the own token");
        match (&self.driver, self.random.index(&self.guards)) {
            (Some(Driver::Undriven(attempt)), _) if self.random.one_in(2) => {
                let id = self.shared.model().id();
                lock(&self.shared.own_tokens).push((id, attempt.token()));
            }
            (_, Some(index)) if self.guards[index].is_part => {
                let guard = &self.guards[index];
                let token = guard.inner.as_ref().expect("it is not dropped").token();
                lock(&self.shared.own_tokens).push((guard.id, token));
            }
            _ => drop(self.shared.take_own_token()),
        }
    }

    /// Cancels the root, or any own token, also one of an earlier attempt.
    fn cancel_token(&mut self) {
        let own_tokens = lock(&self.shared.own_tokens).clone();
        let token = match self.random.index(&own_tokens) {
            Some(index) if self.random.one_in(2) => own_tokens[index].1.clone(),
            _ if self.random.one_in(2) => self.root.clone(),
            _ => return,
        };
        self.log("cancel the root or an own token");
        self.shared.cancel(&token);
    }

    fn transition(&mut self) {
        let from = match self.random.below(4) {
            0 => self.random.pick(STEPS),
            _ => self.shared.cell.state(),
        };
        let to = match self.random.below(2) {
            0 => self.random.pick(STEPS),
            _ => self.random.pick(&[Step::Draining, Step::Running]),
        };
        self.log(format!("transition({from:?}, {to:?})"));
        self.shared.transition(from, to);
    }

    fn publish(&mut self) {
        match self.random.index(&self.publishers) {
            Some(index) if self.random.one_in(2) => {
                self.log("publish");
                let (publisher, id) = &self.publishers[index];
                self.shared.publish(publisher, *id);
            }
            _ => {
                self.log("take a publisher");
                let publisher = self.shared.cell.publisher();
                self.publishers
                    .push((publisher, self.shared.publisher_id()));
            }
        }
    }

    fn rearm(&mut self) {
        let rearms = self.shared.cell.rearm();
        self.log(format!("rearm: {rearms}"));
        let mut model = self.shared.model();
        if rearms == model.is_under_way() {
            violation(format!("rearm() returned {rearms}"));
        }
        if rearms {
            model.stop_requested = false;
        }
    }

    /// Checks the guarantees, after every operation.
    fn check(&mut self) {
        self.shared.remove_dropped_parts();
        self.check_state();
        self.check_failure();
        self.check_tokens();
        self.check_parts();
        self.check_wakes();
        self.report();
    }

    fn check_state(&self) {
        let (cell, model) = (&self.shared.cell, self.shared.model());
        let (state, expected) = (cell.state(), model.state());
        if state != expected {
            violation(format!("the cell reads {state:?}, expected {expected:?}"));
        }
        if cell.is_running() != (expected == Step::Running) {
            violation("is_running() is wrong");
        }
        if cell.stop_requested() != model.stop_requested {
            violation("stop_requested() is wrong");
        }
    }

    /// R13, and a cause that was told stays.
    fn check_failure(&self) {
        let (cell, mut model) = (&self.shared.cell, self.shared.model());
        let failure = cell.failure();
        let last = model.last();
        if !same_cause(last.final_cause(), failure.as_ref()) {
            violation(format!(
                "failure() is {failure:?}, expected {:?}",
                last.final_cause()
            ));
        }
        if (cell.state() == Step::Failed) != (failure.is_some() && last.end.is_some()) {
            violation(format!("{:?} with {failure:?}", cell.state()));
        }
        if last.reported.is_some() && last.reported != failure {
            violation(format!(
                "failure() was {:?} and is {failure:?}",
                last.reported
            ));
        }
        if let Some(facts) = model.attempts.last_mut() {
            facts.reported = failure;
        }
    }

    /// An own token is cancelled exactly if its attempt was told to end (G4, R7, R12), and nothing
    /// runs under a cancelled token (G6, R1, R10).
    fn check_tokens(&self) {
        let model = self.shared.model();
        for (id, own) in lock(&self.shared.own_tokens).iter() {
            let must_be = (model.attempt(*id)).is_some_and(|facts| facts.is_told_to_end);
            if own.is_cancelled() != must_be {
                violation(format!("is the own token of {id} cancelled? {}", !must_be));
            }
        }
        let guard_token = lock(&self.shared.guard_token);
        let is_cancelled = (guard_token.as_ref()).is_some_and(CancellationToken::is_cancelled);
        if self.shared.cell.is_running() && is_cancelled {
            violation("running under a cancelled token");
        }
    }

    /// Nothing is left of what has ended (G4), and no future of a refused start can be reached.
    fn check_parts(&self) {
        let facts = self.shared.model().last();
        let parts_left = lock(&self.shared.probes).len();
        if facts.end.is_some() && parts_left > 0 {
            violation(format!("{parts_left} parts outlive their attempt"));
        }
        let is_refused = facts.must_refuse() && !facts.has_body;
        if is_refused && !self.shared.pending_probes().is_empty() {
            violation("a refused start has left a future that it can reach");
        }
        let debug = format!("{:?}", self.shared.cell);
        let shows = |name: &str, count: usize| match count {
            0 => !debug.contains(&format!("\"{name}\"")),
            _ => debug.contains(&format!("\"{name}\": {count}")),
        };
        let probes = lock(&self.shared.probes);
        let count = |kind| probes.iter().filter(|probe| probe.kind == kind).count();
        let shows_all = shows("served", count(Kind::Served))
            && shows("local", count(Kind::Local))
            && shows("tracked", count(Kind::Tracked));
        if !shows_all {
            violation(format!(
                "Debug does not show the parts that are left: {debug}"
            ));
        }
    }

    /// A task that a poll would finish has been woken since it was last pending.
    fn check_wakes(&self) {
        let model = self.shared.model();
        for wait in &self.waits {
            if wait.task.sleeps() && wait.expected(&model).is_some() {
                violation(format!("a lost wake: {:?}", wait.kind));
            }
        }
        if let Some(Driver::Start(start)) = &self.driver {
            if start.task.sleeps() && model.last().interrupts() {
                violation("a lost wake: the body");
            }
        }
        drop(model);
        for joined in &self.parts {
            let task = joined.task.as_ref().expect("it is dropped at the end");
            if task.sleeps() && joined.must_be_woken() {
                violation(format!("a lost wake: a {:?} part", joined.probe.kind));
            }
        }
    }

    fn report(&self) {
        let violations = VIOLATIONS.take();
        if !violations.is_empty() {
            let last = self.log.len().saturating_sub(1);
            for (number, operation) in self.log.iter().enumerate() {
                eprintln!("{number:3} {operation}");
            }
            let seed = self.seed;
            panic!("CANCEL_GUARDED_SEED={seed}, operation {last}: {violations:#?}");
        }
    }

    /// Once all parts are dropped the attempt has ended, every wait is over, and nothing is left.
    fn wind_down(mut self) {
        self.log("wind down");
        self.drop_driver();
        self.shared.perform(Action::RequestStop);
        self.parts.clear();
        self.guards.clear();
        self.check();
        if self.shared.model().last().end.is_none() {
            violation("the last attempt has not ended");
        }
        for mut wait in std::mem::take(&mut self.waits) {
            wait.poll(&self.shared);
            if wait.task.is_pending && !matches!(wait.kind, WaitKind::State(_)) {
                violation(format!("a wait is left: {:?}", wait.kind));
            }
        }
        self.check();
        if Arc::strong_count(&self.shared) > 1 {
            violation("a future is left behind");
        }
        self.report();
    }
}
