//! Tests of the model without loom: it has the facts that the guard rests on, and it does what the
//! original does in random histories, with wakers that use the tokens.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Wake, Waker};

use super::facts::{self, Token};
use super::{CancellationToken, WaitForCancellationFutureOwned, notify};

impl Token for CancellationToken {
    const BATCH: usize = notify::NUM_WAKERS;
    type Wait = WaitForCancellationFutureOwned;

    fn new() -> Self {
        Self::new()
    }

    fn child_token(&self) -> Self {
        self.child_token()
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled()
    }

    fn cancel(&self) {
        self.cancel();
    }

    fn cancelled_owned(self) -> Self::Wait {
        self.cancelled_owned()
    }
}

facts::test_facts!(CancellationToken);

/// A random number generator, good enough to write histories with (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n as u64)).expect("less than n")
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A step of a history. The numbers of tokens and waits wrap around what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Child(usize),
    Clone(usize),
    DropToken(usize),
    Cancel(usize),
    Ask(usize),
    /// Registers several waits, so that a list has more than one batch.
    Wait(usize, usize),
    Poll(usize),
    DropWait(usize),
    Panic,
}

fn random_step(random: &mut Random) -> Step {
    let i = random.below(1000);
    match random.below(32) {
        0..=3 => Step::Child(i),
        4 => Step::Clone(i),
        5 | 6 => Step::DropToken(i),
        7 => Step::Cancel(i),
        8 => Step::Ask(i),
        9..=19 => Step::Wait(i, 1 + random.below(40)),
        20..=25 => Step::Poll(i),
        _ => Step::DropWait(i),
    }
}

/// The step that a waker takes when it is woken. Most take none.
fn random_reaction(random: &mut Random) -> Option<Step> {
    if random.one_in(100) {
        Some(Step::Panic)
    } else {
        random.one_in(4).then(|| random_step(random))
    }
}

/// The tokens and waits of a history, and the log of what happened.
struct World<T: Token>(Arc<Mutex<State<T>>>);

struct State<T: Token> {
    tokens: Vec<Option<T>>,
    waits: Vec<Option<Pin<Box<T::Wait>>>>,
    reactions: VecDeque<Option<Step>>,
    wakers: usize,
    log: Vec<String>,
}

impl<T: Token> Clone for World<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Token> World<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().expect("no token is used under this lock")
    }

    fn log(&self, event: impl fmt::Display) {
        self.state().log.push(event.to_string());
    }

    fn token(&self, i: usize) -> Option<T> {
        let state = self.state();
        let token = state.tokens[i % state.tokens.len()].as_ref()?;
        // The clone takes the lock of the token, and no waker runs under that.
        Some(token.clone())
    }

    fn add_token(&self, token: T) {
        self.state().tokens.push(Some(token));
    }

    fn take_token(&self, i: usize) -> Option<T> {
        let mut state = self.state();
        let i = i % state.tokens.len();
        state.tokens[i].take()
    }

    fn take_wait(&self, i: usize) -> Option<(usize, Pin<Box<T::Wait>>)> {
        let mut state = self.state();
        let i = i % state.waits.len().max(1);
        let wait = state.waits.get_mut(i)?.take()?;
        Some((i, wait))
    }

    fn waker(&self) -> Waker {
        let mut state = self.state();
        let number = state.wakers;
        state.wakers += 1;
        // After the end of the list, wakers have no reaction.
        let reaction = state.reactions.pop_front().flatten();
        Waker::from(Arc::new(LoggingWaker {
            world: self.clone(),
            number,
            reaction,
        }))
    }

    fn poll(&self, i: usize, mut wait: Pin<Box<T::Wait>>) {
        let waker = self.waker();
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        self.log(format_args!("wait {i}: {polled:?}"));
        self.state().waits[i] = Some(wait);
    }

    fn take(&self, step: Step) {
        match step {
            Step::Child(i) => {
                if let Some(parent) = self.token(i) {
                    self.add_token(parent.child_token());
                }
            }
            Step::Clone(i) => {
                if let Some(token) = self.token(i) {
                    self.add_token(token);
                }
            }
            Step::DropToken(i) => drop(self.take_token(i)),
            Step::Cancel(i) => {
                if let Some(token) = self.token(i) {
                    self.log(format_args!("cancel {i}"));
                    token.cancel();
                    self.log(format_args!("cancel {i} has returned"));
                }
            }
            Step::Ask(i) => {
                if let Some(token) = self.token(i) {
                    self.log(format_args!("{i} cancelled: {}", token.is_cancelled()));
                }
            }
            Step::Wait(i, times) => {
                for _ in 0..times {
                    let Some(token) = self.token(i) else { break };
                    let i = self.state().waits.len();
                    self.state().waits.push(None);
                    self.poll(i, Box::pin(token.cancelled_owned()));
                }
            }
            Step::Poll(i) => {
                if let Some((i, wait)) = self.take_wait(i) {
                    self.poll(i, wait);
                }
            }
            Step::DropWait(i) => drop(self.take_wait(i)),
            Step::Panic => resume_unwind(Box::new("foreign")),
        }
    }

    /// Takes all of `steps`, then drops what is left, and returns the log.
    fn run(steps: &[Step], reactions: &[Option<Step>]) -> Vec<String> {
        let world = Self(Arc::new(Mutex::new(State {
            tokens: vec![Some(T::new())],
            waits: Vec::new(),
            reactions: reactions.iter().copied().collect(),
            wakers: 0,
            log: Vec::new(),
        })));
        for &step in steps {
            if catch_unwind(AssertUnwindSafe(|| world.take(step))).is_err() {
                world.log(format_args!("{step:?} has panicked"));
            }
        }
        let tokens = world.state().tokens.len();
        for i in 0..tokens {
            if let Some(token) = world.token(i) {
                world.log(format_args!("{i} cancelled: {}", token.is_cancelled()));
            }
        }
        let tokens = std::mem::take(&mut world.state().tokens);
        drop(tokens);
        let waits = std::mem::take(&mut world.state().waits);
        drop(waits);
        std::mem::take(&mut world.state().log)
    }
}

/// Logs its wake and its drop, and takes a step of its own when it is woken.
struct LoggingWaker<T: Token> {
    world: World<T>,
    number: usize,
    reaction: Option<Step>,
}

impl<T: Token> Wake for LoggingWaker<T> {
    fn wake(self: Arc<Self>) {
        self.world.log(format_args!("waker {} woken", self.number));
        if let Some(step) = self.reaction {
            self.world.take(step);
        }
    }
}

impl<T: Token> Drop for LoggingWaker<T> {
    fn drop(&mut self) {
        self.world
            .log(format_args!("waker {} dropped", self.number));
    }
}

#[test]
fn the_model_does_what_the_original_does_in_random_histories() {
    let [mut woken, mut panicked] = [0; 2];
    for seed in 0..2000 {
        let mut random = Random(seed);
        let steps: Vec<_> = (0..60).map(|_| random_step(&mut random)).collect();
        let reactions: Vec<_> = (0..800).map(|_| random_reaction(&mut random)).collect();
        let original = World::<tokio_util::sync::CancellationToken>::run(&steps, &reactions);
        let model = World::<CancellationToken>::run(&steps, &reactions);
        if let Some(at) =
            (0..original.len().max(model.len())).find(|&i| original.get(i) != model.get(i))
        {
            panic!(
                "history {seed} differs at {at}: the original {:?}, the model {:?}\n{steps:?}",
                original.get(at),
                model.get(at)
            );
        }
        woken += original.iter().filter(|e| e.ends_with("woken")).count();
        panicked += original.iter().filter(|e| e.ends_with("panicked")).count();
    }
    assert!(
        woken > 20_000 && panicked > 200,
        "{woken} woken, {panicked} panicked"
    );
}
