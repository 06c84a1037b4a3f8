//! What the walk knows about variables and fields, by their spelling.

use std::mem;

use super::value::Value;

/// What is known about a variable or a field.
#[derive(Clone, Default)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// The variable that holds the handle of a task, by index.
    pub(super) variable: Option<usize>,
}

impl From<Value> for Entry {
    fn from(value: Value) -> Self {
        Self {
            value,
            variable: None,
        }
    }
}

/// What is known about places, by their spelling.
///
/// A body has few of them, and a hash map would be compiled anew in this crate, which every user's
/// first build waits for.
#[derive(Default)]
pub(super) struct Places(Vec<(String, Entry)>);

impl Places {
    pub(super) fn get(&self, place: &str) -> Option<&Entry> {
        let mut known = self.0.iter();
        known
            .find(|(name, _)| name == place)
            .map(|(_, entry)| entry)
    }

    pub(super) fn get_mut(&mut self, place: &str) -> Option<&mut Entry> {
        let mut known = self.0.iter_mut();
        known
            .find(|(name, _)| name == place)
            .map(|(_, entry)| entry)
    }

    /// Returns what was known about the place before.
    pub(super) fn insert(&mut self, place: String, entry: Entry) -> Option<Entry> {
        if let Some(known) = self.get_mut(&place) {
            return Some(mem::replace(known, entry));
        }
        self.0.push((place, entry));
        None
    }

    pub(super) fn remove(&mut self, place: &str) {
        self.0.retain(|(name, _)| name != place);
    }
}

/// A variable that holds the handles of tasks.
pub(super) struct Variable {
    pub(super) handles: Vec<usize>,
    pub(super) is_used: bool,
}
