//! What the functions of a package know of each other: which types hold a token, and which
//! functions look at one.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::model::{Callee, Event, First, Function, Kind, SourceFile};

/// Whether a call looks at the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Yes,
    No,
    /// It is handed the token, and its body is not in this package.
    NotFollowed,
}

#[derive(Clone, Copy, Default)]
struct Facts {
    /// It is a method of a type that has a token.
    has_token: bool,
    looks: bool,
    looks_first: bool,
}

/// More functions of one name than can be told apart.
const MANY: usize = 4;

#[derive(Default)]
pub(crate) struct Index<'a> {
    token_types: HashMap<(&'a Path, &'a str), &'a str>,
    functions: HashMap<(&'a Path, &'a str), Vec<Facts>>,
    raced: HashSet<(&'a Path, &'a str)>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(files: &'a [SourceFile]) -> Self {
        let mut index = Self::default();
        for file in files {
            for ty in &file.token_types {
                let key = (file.package.as_path(), ty.name.as_str());
                index.token_types.entry(key).or_insert(&ty.field);
            }
        }
        for file in files {
            for function in &file.functions {
                let key = (file.package.as_path(), function.name.as_str());
                let has_token = index.held_token(file, function).is_some();
                let known = index.functions.entry(key).or_default();
                known.push(facts(function, has_token));
                let package = file.package.as_path();
                let raced = function.raced.iter().map(|name| (package, name.as_str()));
                index.raced.extend(raced);
            }
        }
        index
    }

    /// The field of `self` that is a token.
    pub(crate) fn held_token(&self, file: &SourceFile, function: &Function) -> Option<&'a str> {
        let ty = function
            .self_type
            .as_deref()
            .filter(|_| function.has_receiver)?;
        self.token_types.get(&(file.package.as_path(), ty)).copied()
    }

    /// Whether a caller drops the future of a function when the token is cancelled.
    pub(crate) fn is_raced(&self, file: &SourceFile, function: &Function) -> bool {
        let name = function.name.as_str();
        let is_known = |known: &Vec<Facts>| known.len() < MANY;
        let key = (file.package.as_path(), name);
        self.functions.get(&key).is_some_and(is_known) && self.raced.contains(&key)
    }

    pub(crate) fn looks(&self, package: &Path, callee: &Callee) -> Looks {
        self.look_up(package, callee, |facts| facts.looks)
    }

    /// Whether a call looks at the token before it does anything else.
    pub(crate) fn looks_first(&self, package: &Path, callee: &Callee) -> Looks {
        self.look_up(package, callee, |facts| facts.looks_first)
    }

    fn look_up(&self, package: &Path, callee: &Callee, has: fn(&Facts) -> bool) -> Looks {
        let known = self.functions.get(&(package, callee.name.as_str()));
        let Some(known) = known.filter(|known| known.len() < MANY) else {
            return if callee.takes_token {
                Looks::NotFollowed
            } else {
                Looks::No
            };
        };
        let is_handed = |facts: &Facts| callee.takes_token || callee.on_self || facts.has_token;
        if known.iter().any(|facts| is_handed(facts) && has(facts)) {
            Looks::Yes
        } else {
            Looks::No
        }
    }

    /// The awaits before an event since the last look, in this function or in a callee. The
    /// second value says whether a call was handed the token and could not be followed.
    pub(crate) fn unchecked(
        &self,
        package: &Path,
        events: &[Event],
        event: &Event,
    ) -> (Vec<usize>, bool) {
        let mut unchecked = Vec::new();
        let mut is_followed = true;
        for &index in &event.since {
            let Some(Kind::Await { callee, .. }) = events.get(index).map(|event| &event.kind)
            else {
                continue;
            };
            match self.looks(package, callee) {
                Looks::Yes => {
                    unchecked.clear();
                    is_followed = true;
                }
                Looks::No => unchecked.push(index),
                Looks::NotFollowed => {
                    unchecked.clear();
                    is_followed = false;
                }
            }
        }
        (unchecked, is_followed)
    }
}

fn facts(function: &Function, has_token: bool) -> Facts {
    let mut own = function.events.iter().filter(|event| event.task == 0);
    let is_look = |event: &Event| matches!(event.kind, Kind::Look | Kind::Select { .. });
    Facts {
        has_token,
        looks_first: own.clone().next().is_some_and(|event| match &event.kind {
            // A helper that spawns a task which looks first.
            Kind::Spawn(spawn) => matches!(spawn.first, First::Look),
            _ => is_look(event),
        }),
        looks: own.any(is_look),
    }
}
