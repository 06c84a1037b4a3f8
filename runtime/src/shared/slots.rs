//! A slab whose first entry needs no allocation of its own: most cells have one part and one waiter.

use slab::Slab;

/// A list with stable keys.
pub(crate) struct Slots<T> {
    first: Option<T>,
    /// Made for the second entry, and boxed: most lists never have one.
    rest: Option<Box<Slab<T>>>,
    len: usize,
}

/// The key of the entry that is stored in place. The keys of the others are those of the slab,
/// shifted by one.
const FIRST: usize = 0;

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, value: T) -> usize {
        self.len += 1;
        if self.first.is_none() {
            self.first = Some(value);
            FIRST
        } else {
            self.rest.get_or_insert_default().insert(value) + 1
        }
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        match key.checked_sub(1) {
            None => self.first.as_mut(),
            Some(key) => self.rest.as_mut()?.get_mut(key),
        }
    }

    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        let removed = match key.checked_sub(1) {
            None => self.first.take(),
            Some(key) => self.rest.as_mut()?.try_remove(key),
        };
        self.len -= usize::from(removed.is_some());
        removed
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn any(&self, mut is_wanted: impl FnMut(&T) -> bool) -> bool {
        self.first.as_ref().is_some_and(&mut is_wanted)
            || self
                .rest
                .as_ref()
                .is_some_and(|rest| rest.iter().any(|(_, value)| is_wanted(value)))
    }

    /// Calls `visit` with every entry and its key.
    #[inline]
    pub(crate) fn for_each_mut(&mut self, mut visit: impl FnMut(usize, &mut T)) {
        if let Some(first) = &mut self.first {
            visit(FIRST, first);
        }
        if let Some(rest) = &mut self.rest {
            for (key, value) in rest.iter_mut() {
                visit(key + 1, value);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let rest = self.rest.iter().flat_map(|rest| rest.iter());
        self.first.iter().chain(rest.map(|(_, value)| value))
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            first: None,
            rest: None,
            len: 0,
        }
    }
}

#[cfg(all(test, not(cancel_guarded_loom)))]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_valid_while_others_come_and_go() {
        let mut slots = Slots::default();
        let keys: Vec<_> = ["a", "b", "c"].map(|value| slots.insert(value)).into();
        assert_eq!(slots.remove(keys[0]), Some("a"));
        assert_eq!(slots.remove(keys[0]), None, "it is gone");
        assert_eq!(slots.len(), 2);
        assert_eq!(slots.get_mut(keys[2]), Some(&mut "c"));
        let again = slots.insert("d");
        assert_eq!(again, keys[0], "the free place is used");
        assert_eq!(slots.iter().collect::<Vec<_>>(), [&"d", &"b", &"c"]);
        for key in keys {
            slots.remove(key);
        }
        assert!(slots.is_empty());
    }
}
