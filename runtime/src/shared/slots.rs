//! A slab whose first entry needs no allocation of its own: most cells have one part and one waiter.

use slab::Slab;

/// A list with stable keys.
pub(crate) struct Slots<T> {
    first: Option<T>,
    rest: Slab<T>,
}

/// The key of the entry that is stored in place. The keys of the others are those of the slab,
/// shifted by one.
const FIRST: usize = 0;

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, value: T) -> usize {
        if self.first.is_none() {
            self.first = Some(value);
            FIRST
        } else {
            self.rest.insert(value) + 1
        }
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        match key.checked_sub(1) {
            None => self.first.as_mut(),
            Some(key) => self.rest.get_mut(key),
        }
    }

    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        match key.checked_sub(1) {
            None => self.first.take(),
            Some(key) => self.rest.try_remove(key),
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first
            .iter()
            .chain(self.rest.iter().map(|(_, value)| value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut T)> {
        let rest = self.rest.iter_mut().map(|(key, value)| (key + 1, value));
        let first = self.first.iter_mut().map(|value| (FIRST, value));
        first.chain(rest)
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            first: None,
            rest: Slab::new(),
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
