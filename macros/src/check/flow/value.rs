//! What the analysis knows about a value, and what it has found so far.

use std::rc::Rc;

use proc_macro2::TokenStream;

use super::parts::ServedOn;

/// How a value relates to the token that guards the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The token, a clone of it or a borrow of it: cancelling it cancels the token.
    Own,
    /// The caller's own token, by `caller = NAME`: the token is a child of it.
    Caller,
    /// The result of `child_token()`: cancelling it leaves the token alone.
    Child,
}

/// A call that cancels the token, or that makes a guard which does.
#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) at: TokenStream,
    pub(crate) kind: CancelKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelKind {
    /// It cancels the token when it is called, or later.
    Call,
    /// A guard that the body drops at its end cancels the token.
    Guard,
    /// A guard that the body drops at its end cancels the caller's own token.
    CallerGuard,
}

/// A call that has not been awaited yet.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The name of the function or of the method.
    pub(crate) name: String,
    /// Whether the token, or a value made from it, goes into the call.
    pub(crate) takes_token: bool,
}

/// What is known about the value of an expression.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// The value is the token, or an `Option` of it.
    pub(crate) token: Option<Origin>,
    /// The value is not the token itself but was made from it.
    pub(crate) holds_token: bool,
    /// What the function does when it awaits the value.
    pub(crate) awaited: Option<Rc<Found>>,
    /// If the value is a closure: what a call of it does.
    pub(crate) called: Option<Rc<Found>>,
    /// The call that the value comes from.
    pub(crate) call: Option<Rc<Call>>,
    /// The value is a handle, or a set of handles, of tasks that were spawned with the token.
    pub(crate) joins_tasks: bool,
    /// The value is the cell of the service.
    pub(crate) is_cell: bool,
    /// The value is `self`, a clone of it or a borrow of it, or a field of these: its place.
    pub(crate) self_place: Option<Rc<str>>,
    /// The value came from `serve`, `serve_local`, `serve_guard` or `track`.
    pub(crate) is_served: bool,
    /// The value is a future that `serve`, `serve_local` or `track` returned.
    pub(crate) is_part: bool,
    /// The value is a handle, or a set of handles, of tasks that run such a future.
    pub(crate) joins_part: bool,
    /// The other cell that the value came from in this way, where only one is the guard's.
    pub(crate) served_on: Option<ServedOn>,
    /// The parts that are made when the value, a future or a closure, runs: by index.
    pub(crate) makes_parts: Vec<usize>,
    /// The value is a future that only waits for the token.
    pub(crate) only_waits: bool,
    /// The tasks whose handles this is, by index.
    pub(crate) handles: Vec<usize>,
}

impl Value {
    pub(crate) fn carries_token(&self) -> bool {
        self.token.is_some() || self.holds_token
    }

    /// The union of two values, of which either may be there.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.token = match (self.token, other.token) {
            (Some(Origin::Own), _) | (_, Some(Origin::Own)) => Some(Origin::Own),
            (Some(Origin::Caller), _) | (_, Some(Origin::Caller)) => Some(Origin::Caller),
            (token, other) => token.or(other),
        };
        self.awaited = match (self.awaited, other.awaited) {
            (Some(found), Some(other)) => Some(if other.rank() < found.rank() {
                other
            } else {
                found
            }),
            (found, other) => found.or(other),
        };
        self.called = self.called.or(other.called);
        self.call = match (self.call, other.call) {
            (Some(call), Some(other)) if !call.takes_token && other.takes_token => Some(other),
            (call, other) => call.or(other),
        };
        self.holds_token |= other.holds_token;
        self.joins_tasks |= other.joins_tasks;
        self.is_cell |= other.is_cell;
        self.self_place = self.self_place.or(other.self_place);
        self.is_served |= other.is_served;
        self.is_part |= other.is_part;
        self.joins_part |= other.joins_part;
        self.served_on = self.served_on.or(other.served_on);
        self.only_waits |= other.only_waits;
        self.handles.extend(other.handles);
        self.makes_parts.extend(other.makes_parts);
        self
    }

    /// A value that was made from this one: no longer the token, the cell or `self`.
    pub(crate) fn made_from(mut self) -> Self {
        self.holds_token = self.carries_token();
        self.token = None;
        self.is_cell = false;
        self.self_place = None;
        self.called = None;
        self.is_part = false;
        self.joins_part = false;
        self.only_waits = false;
        self.handles.clear();
        self.makes_parts.clear();
        self
    }
}

/// A wait for the cancellation of the token.
#[derive(Clone, Debug)]
pub(crate) struct Wait {
    /// Tells waits apart: a future may be awaited in several places.
    pub(crate) id: usize,
    pub(crate) at: TokenStream,
}

/// An awaited call that the token, or a value made from it, goes into.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedCall {
    pub(crate) in_loop: bool,
    pub(crate) at: TokenStream,
}

/// The findings in the text of a body, or in the future that an await polls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) wait_in_loop: Option<Wait>,
    pub(crate) wait: Option<Wait>,
    /// A loop that only an error leaves.
    pub(crate) endless_loop: Option<TokenStream>,
    /// `is_cancelled()` in a loop.
    pub(crate) ask: Option<TokenStream>,
    /// `is_cancelled()` outside of loops.
    pub(crate) ask_once: Option<TokenStream>,
    /// An awaited call with the token, last or in a loop, whose name is not that of a set-up.
    pub(crate) call: Option<AwaitedCall>,
    /// An awaited call with the token, last or in a loop, that is named as a set-up.
    pub(crate) setup_call: Option<AwaitedCall>,
    pub(crate) join: Option<TokenStream>,
    /// The last call that was awaited, if it is named as a run.
    pub(crate) run_call: Option<AwaitedCall>,
}

impl Found {
    /// Sorts what is found by how much it tells; the smallest tells most.
    fn rank(&self) -> u8 {
        let found = [
            self.wait_in_loop.is_some(),
            self.wait.is_some(),
            self.ask.is_some(),
            self.endless_loop.is_some(),
            self.join.is_some(),
            self.call.is_some(),
        ];
        let mut rank = 0;
        for is_found in found {
            if is_found {
                return rank;
            }
            rank += 1;
        }
        rank
    }

    /// Adds what a future does that is awaited in this body.
    pub(crate) fn add_awaited(&mut self, other: &Self, in_loop: bool, is_last: bool) {
        if in_loop {
            let wait = other.wait_in_loop.as_ref().or(other.wait.as_ref());
            keep_first(&mut self.wait_in_loop, wait);
        } else {
            keep_first(&mut self.wait_in_loop, other.wait_in_loop.as_ref());
            keep_first(&mut self.wait, other.wait.as_ref());
        }
        keep_first(&mut self.endless_loop, other.endless_loop.as_ref());
        keep_first(&mut self.ask, other.ask.as_ref());
        let once = if in_loop {
            &mut self.ask
        } else {
            &mut self.ask_once
        };
        keep_first(once, other.ask_once.as_ref());
        if in_loop || is_last {
            keep_first(&mut self.call, other.call.as_ref());
            keep_first(&mut self.setup_call, other.setup_call.as_ref());
            keep_first(&mut self.join, other.join.as_ref());
        }
        if other.run_call.is_some() {
            self.run_call.clone_from(&other.run_call);
        }
    }
}

pub(crate) fn keep_first<T: Clone>(kept: &mut Option<T>, other: Option<&T>) {
    if kept.is_none() {
        *kept = other.cloned();
    }
}
