//! The state of the walk: scopes, frames, and what has been found so far.

use std::mem;
use std::rc::Rc;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{ExprClosure, Stmt};

use super::findings::{LatePart, OwnWait, Part, PartWait, Task};
use super::known::{Entry, Places, Variable};
use super::names;
use super::value::{AwaitedCall, Cancel, CancelKind, Found, Value, Wait, keep_first};

/// A loop around the current expression.
pub(super) struct Loop {
    pub(super) label: Option<String>,
    /// Whether its text leaves it, by `break` or by a `return` that is no error.
    pub(super) is_left: bool,
}

/// A function, an async block or a closure.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) found: Found,
    /// The loops around the current expression, the innermost last.
    pub(super) loops: Vec<Loop>,
    /// Whether the current expression is under a `#[shielded]`.
    pub(super) is_shielded: bool,
    pub(super) awaits: usize,
    pub(super) token_awaits: usize,
    pub(super) uses_token: bool,
    pub(super) uses_served: bool,
    /// The parts that its text makes, by index.
    pub(super) makes_parts: Vec<usize>,
}

impl Frame {
    pub(super) fn is_in_loop(&self) -> bool {
        !self.loops.is_empty()
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Default)]
pub(super) struct Walker {
    pub(super) places: Places,
    /// What the declarations of the open scopes have replaced, to be put back at their ends.
    pub(super) replaced: Vec<(String, Option<Entry>)>,
    pub(super) variables: Vec<Variable>,
    pub(super) frame: Frame,
    /// How many frames are around this one.
    pub(super) depth: usize,
    /// How many loops are around the current expression, in all frames.
    pub(super) loops: usize,
    pub(super) task: Option<usize>,
    pub(super) state_name: Option<String>,
    pub(super) waits: Vec<OwnWait>,
    /// Whether the future of a branch of a `select!` is awaited.
    pub(super) in_arm: bool,
    /// Whether the result of a call is awaited.
    in_call: bool,
    /// The waits that are among `waits`, by id.
    noted: Vec<usize>,
    /// How many waits there are so far.
    wait_count: usize,
    pub(super) cancels: Vec<Cancel>,
    pub(super) tasks: Vec<Task>,
    pub(super) parts: Vec<Part>,
    pub(super) part_waits: Vec<PartWait>,
    /// Whether the current statement is under a `#[detached]`.
    pub(super) is_detached: bool,
    /// Whether a scope joins what the current expression spawns.
    pub(super) in_scope: bool,
}

impl Walker {
    pub(super) fn open_scope(&self) -> usize {
        self.replaced.len()
    }

    pub(super) fn close_scope(&mut self, scope: usize) {
        while self.replaced.len() > scope {
            match self.replaced.pop() {
                Some((name, Some(entry))) => drop(self.places.insert(name, entry)),
                Some((name, None)) => self.places.remove(&name),
                None => return,
            }
        }
    }

    pub(super) fn declare(&mut self, name: String, mut value: Value) {
        let handles = mem::take(&mut value.handles);
        if value.joins_tasks {
            // The call has returned: what is awaited later is the task.
            value.call = None;
        }
        let variable = (!handles.is_empty()).then(|| {
            self.variables.push(Variable {
                handles,
                is_used: false,
            });
            self.variables.len() - 1
        });
        let before = self.places.insert(name.clone(), Entry { value, variable });
        self.replaced.push((name, before));
    }

    pub(super) fn lookup(&mut self, place: &str) -> Option<Value> {
        let entry = self.places.get(place)?;
        let index = entry.variable;
        let value = entry.value.clone();
        if let Some(variable) = index.and_then(|index| self.variables.get_mut(index)) {
            variable.is_used = true;
        }
        self.frame.uses_token |= value.carries_token();
        self.frame.uses_served |= value.is_served;
        Some(value)
    }

    /// Adds to what is known about a variable or a field.
    pub(super) fn add_to_place(&mut self, place: String, value: Value) {
        match self.places.get_mut(&place) {
            Some(entry) => entry.value = mem::take(&mut entry.value).or(value),
            None => drop(self.places.insert(place, Entry::from(value))),
        }
    }

    pub(super) fn let_go(&mut self, handles: &[usize]) {
        for handle in handles {
            if let Some(task) = self.tasks.get_mut(*handle) {
                task.is_let_go = true;
            }
        }
    }

    /// The findings of a future that waits for the token.
    pub(super) fn wait(&mut self, at: TokenStream) -> Found {
        let id = self.wait_count;
        self.wait_count += 1;
        Found {
            wait: Some(Wait { id, at }),
            ..Found::default()
        }
    }

    pub(super) fn note_wait(&mut self, at: TokenStream) {
        let found = self.wait(at);
        self.add_awaited(&found, false);
    }

    pub(super) fn note_ask(&mut self, at: &TokenStream) {
        let is_in_loop = self.frame.is_in_loop();
        let found = &mut self.frame.found;
        let slot = if is_in_loop {
            &mut found.ask
        } else {
            &mut found.ask_once
        };
        keep_first(slot, Some(at));
    }

    /// Notes a way out of the innermost loop, or of all loops up to the one of this label, which
    /// is left too if `leaves_target`.
    pub(super) fn note_exit(&mut self, label: Option<&str>, leaves_target: bool) {
        for left in self.frame.loops.iter_mut().rev() {
            let is_target = label.is_none() || left.label.as_deref() == label;
            left.is_left |= leaves_target || !is_target;
            if is_target {
                return;
            }
        }
    }

    /// Notes a way out of all loops.
    pub(super) fn note_return(&mut self) {
        for left in &mut self.frame.loops {
            left.is_left = true;
        }
    }

    pub(super) fn note_cancel(&mut self, at: TokenStream, kind: CancelKind) {
        self.cancels.push(Cancel { at, kind });
    }

    pub(super) fn note_unread_await(&mut self) {
        // More than one, since nothing is known about what is awaited.
        self.frame.awaits += 2;
    }

    pub(super) fn add_awaited(&mut self, found: &Found, is_last: bool) {
        let in_loop = self.frame.is_in_loop();
        if self.frame.is_shielded {
            // A shielded step ends by itself.
            let found = Found {
                ask: found.ask.clone(),
                ask_once: found.ask_once.clone(),
                endless_loop: found.endless_loop.clone(),
                ..Found::default()
            };
            return self.frame.found.add_awaited(&found, in_loop, is_last);
        }
        if self.depth == 0 {
            let waits = [(&found.wait_in_loop, true), (&found.wait, in_loop)];
            for (wait, in_loop) in waits {
                if let Some(wait) = wait.as_ref().filter(|wait| !self.noted.contains(&wait.id)) {
                    self.noted.push(wait.id);
                    let at = wait.at.clone();
                    let in_call = self.in_call && !runs_future(&at);
                    self.waits.push(OwnWait {
                        at,
                        in_loop,
                        in_arm: self.in_arm,
                        in_call,
                        tasks_before: self.tasks.len(),
                    });
                }
            }
        }
        self.frame.found.add_awaited(found, in_loop, is_last);
    }

    /// Awaits a value. Returns what is known about the result.
    pub(super) fn awaited(&mut self, value: &Value, at: &dyn ToTokens, is_last: bool) -> Value {
        if (value.is_part || value.joins_part) && self.depth == 0 && !self.in_arm {
            self.part_waits.push(PartWait {
                at: at.to_token_stream(),
                is_join: value.joins_part,
            });
        }
        self.frame.awaits += 1;
        self.frame.token_awaits += usize::from(value.only_waits);
        if let Some(found) = &value.awaited {
            let outside = mem::replace(&mut self.in_call, value.call.is_some());
            self.add_awaited(found, is_last);
            self.in_call = outside;
        }
        let in_loop = self.frame.is_in_loop();
        let Some(call) = &value.call else {
            if value.joins_tasks && (in_loop || is_last) && !self.frame.is_shielded {
                keep_first(&mut self.frame.found.join, Some(&at.to_token_stream()));
            }
            return Value::default();
        };
        let is_setup = names::is_setup(&call.name);
        let is_run = names::is_run(&call.name) && !self.frame.is_shielded;
        let is_evidence = call.takes_token && (in_loop || is_last) && !self.frame.is_shielded;
        let awaited = (is_evidence || is_run).then(|| AwaitedCall {
            in_loop: in_loop && !is_last,
            at: at.to_token_stream(),
        });
        let found = &mut self.frame.found;
        if is_evidence {
            let slot = if is_setup {
                &mut found.setup_call
            } else {
                &mut found.call
            };
            keep_first(slot, awaited.as_ref());
        }
        found.run_call = awaited.filter(|_| is_run);
        Value {
            holds_token: value.holds_token && is_setup,
            joins_tasks: value.joins_tasks && names::is_spawn(&call.name),
            ..Value::default()
        }
    }

    pub(super) fn in_frame(&mut self, walk: impl FnOnce(&mut Self)) -> Frame {
        let outside = mem::take(&mut self.frame);
        let outer_loops = self.loops;
        self.depth += 1;
        walk(self);
        self.depth -= 1;
        self.loops = outer_loops;
        let frame = mem::replace(&mut self.frame, outside);
        self.frame.uses_token |= frame.uses_token;
        self.frame.uses_served |= frame.uses_served;
        self.frame.makes_parts.extend(&frame.makes_parts);
        frame
    }

    /// Notes a call that makes a part.
    pub(super) fn note_part(&mut self, at: &Ident) {
        self.frame.makes_parts.push(self.parts.len());
        self.parts.push(Part {
            at: at.clone(),
            late: None,
            is_allowed: false,
        });
    }

    /// Notes that these parts are made in the life of the service, or may outlive it.
    pub(super) fn allow_parts(&mut self, parts: &[usize]) {
        for part in parts {
            if let Some(part) = self.parts.get_mut(*part) {
                part.is_allowed = true;
            }
        }
    }

    /// Notes that a spawned task makes these parts.
    pub(super) fn note_late_parts(&mut self, parts: &[usize], late: LatePart) {
        if self.is_detached {
            return self.allow_parts(parts);
        }
        let known = |part: &usize| self.parts.get(*part);
        if parts.iter().filter_map(known).any(Part::is_late) {
            // One error for each task.
            return;
        }
        let first = parts
            .iter()
            .find(|part| known(part).is_some_and(|part| !part.is_allowed));
        if let Some(part) = first.and_then(|part| self.parts.get_mut(*part)) {
            part.late = Some(late);
        }
    }

    pub(super) fn async_block(&mut self, stmts: &[Stmt]) -> Value {
        let frame = self.in_frame(|walker| {
            walker.block(stmts, true);
        });
        Value {
            holds_token: frame.uses_token,
            is_served: frame.uses_served,
            only_waits: frame.awaits == 1 && frame.token_awaits == 1,
            awaited: Some(Rc::new(frame.found)),
            makes_parts: frame.makes_parts,
            ..Value::default()
        }
    }

    /// A closure whose parameters are this value.
    pub(super) fn closure(&mut self, closure: &ExprClosure, parameter: &Value) -> Value {
        let mut body = Value::default();
        let frame = self.in_frame(|walker| {
            let scope = walker.open_scope();
            for input in &closure.inputs {
                walker.bind(input, parameter.clone());
            }
            body = walker.expr(&closure.body, true);
            walker.close_scope(scope);
        });
        let found = Rc::new(frame.found);
        let mut value = Value {
            holds_token: frame.uses_token,
            is_served: frame.uses_served,
            makes_parts: frame.makes_parts,
            ..Value::default()
        };
        if closure.asyncness.is_some() {
            value.awaited = Some(found);
        } else {
            value.called = Some(found);
            value.awaited = body.awaited;
            value.token = body.token;
            value.joins_tasks = body.joins_tasks;
            value.joins_part = body.joins_part;
        }
        value
    }
}

/// Whether a wait runs a future at the same time: `token.run_until_cancelled(work())`.
fn runs_future(wait: &TokenStream) -> bool {
    wait.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(name) => {
            let name = name.to_string();
            name.starts_with("run_until_cancelled") || names::is_wait_on_argument(&name)
        }
        _ => false,
    })
}
