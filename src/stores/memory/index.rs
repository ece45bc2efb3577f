use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// What belongs to each key.
#[derive(Debug)]
pub(super) struct Index<K, V>(HashMap<K, HashSet<V>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone, V: Eq + Hash + Copy> Index<K, V> {
    pub(super) fn insert(&mut self, key: &K, value: V) {
        self.0.entry(key.clone()).or_default().insert(value);
    }

    pub(super) fn remove(&mut self, key: &K, value: &V) {
        if let Some(values) = self.0.get_mut(key) {
            values.remove(value);
            if values.is_empty() {
                self.0.remove(key);
            }
        }
    }

    pub(super) fn get(&self, key: &K) -> Vec<V> {
        self.0.get(key).into_iter().flatten().copied().collect()
    }
}
