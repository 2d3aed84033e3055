//! Which reconciles may wait for a turn of work that takes long: a validation, or a comparison of schemas.
//!
//! A reconcile has one of the tasks of its connection, and memory. While it waited for a turn with both, event types with many
//! versions, of a few namespaces, would take all tasks from everybody. So a place is needed to wait for a turn. A reconcile that
//! gets none ends, and its object is reconciled again when it has a place.
//!
//! # Guarantees
//! - There are few places, and at most one for each namespace: small work of others always finds tasks.
//! - Namespaces take turns. A reconcile keeps its place until its long work is done, at the latest until it ends, so an object
//!   that was given one needs no other.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::turns::Turns;

use super::object::ObjectKey;

/// The objects that have a place, and those that wait for one.
pub struct LongWork {
    inner: Mutex<Inner>,
    limit: usize,
}

#[derive(Default)]
struct Inner {
    /// Whether the reconcile that the place is for has begun, by object.
    places: HashMap<ObjectKey, bool>,
    waiting: Turns<Arc<str>, ObjectKey>,
    /// The objects in `waiting`.
    queued: HashSet<ObjectKey>,
}

impl LongWork {
    /// Returns so many places.
    pub fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), limit: limit.max(1) }
    }

    /// Records that the reconcile of an object begins.
    pub fn begin(&self, key: &ObjectKey) {
        if let Some(has_begun) = self.inner.lock().places.get_mut(key) {
            *has_begun = true;
        }
    }

    /// Whether the reconcile of an object may do long work. If not, the object waits for a place.
    pub fn enter(&self, key: &ObjectKey) -> bool {
        let mut inner = self.inner.lock();
        if inner.places.contains_key(key) || inner.has_room(&key.namespace, self.limit) {
            inner.places.insert(key.clone(), true);
            inner.stop_waiting(key);
            return true;
        }
        if inner.queued.insert(key.clone()) {
            inner.waiting.push(key.namespace.clone(), key.clone());
        }
        false
    }

    /// Records that the long work of a reconcile is done, or that the reconcile has ended. Returns the objects that have a place now and are to be reconciled.
    #[must_use]
    pub fn end(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let mut inner = self.inner.lock();
        // A place that it got while it ended is for the next one.
        if inner.places.get(key) != Some(&true) {
            return Vec::new();
        }
        inner.places.remove(key);
        inner.admit(self.limit)
    }

    /// Whether an object has a place.
    #[cfg(test)]
    pub fn has_place(&self, key: &ObjectKey) -> bool {
        self.inner.lock().places.contains_key(key)
    }

    /// Forgets an object. Returns the objects that have a place now and are to be reconciled.
    #[must_use]
    pub fn forget(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let mut inner = self.inner.lock();
        inner.stop_waiting(key);
        inner.places.remove(key);
        inner.admit(self.limit)
    }
}

impl Inner {
    fn has_room(&self, namespace: &str, limit: usize) -> bool {
        self.places.len() < limit && !has_place(&self.places, namespace)
    }

    fn stop_waiting(&mut self, key: &ObjectKey) {
        if self.queued.remove(key) {
            self.waiting.remove(&key.namespace, |waiting| waiting == key);
        }
    }

    fn admit(&mut self, limit: usize) -> Vec<ObjectKey> {
        let mut admitted = Vec::new();
        loop {
            let Self { places, waiting, queued } = self;
            if places.len() >= limit {
                return admitted;
            }
            let Some((_, key)) = waiting.pop_if(|namespace| !has_place(places, namespace)) else {
                return admitted;
            };
            queued.remove(&key);
            places.insert(key.clone(), false);
            admitted.push(key);
        }
    }
}

fn has_place(places: &HashMap<ObjectKey, bool>, namespace: &str) -> bool {
    places.keys().any(|key| &*key.namespace == namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::object::Kind;

    fn key(namespace: &str, name: &str) -> ObjectKey {
        ObjectKey::new(Kind::EventType, namespace, name)
    }

    #[test]
    fn a_namespace_has_one_place() {
        let long = LongWork::new(8);
        let [one, two, other] = [key("flood", "1"), key("flood", "2"), key("other", "1")];

        assert!(long.enter(&one) && !long.enter(&two) && long.enter(&other));
        assert!(long.enter(&one), "it has its place until the reconcile ends");

        assert_eq!(long.end(&one), std::slice::from_ref(&two));
        assert!(long.enter(&two));
    }

    #[test]
    fn namespaces_that_wait_take_turns() {
        let long = LongWork::new(1);
        let first = key("flood", "0");
        assert!(long.enter(&first));
        let waiting = [key("flood", "1"), key("flood", "2"), key("other", "1")];
        assert!(waiting.iter().all(|key| !long.enter(key)));

        let mut order = Vec::new();
        let mut next = long.end(&first);
        while let Some(key) = next.pop() {
            long.begin(&key);
            order.push(key.clone());
            next = long.end(&key);
        }

        assert_eq!(order, [waiting[0].clone(), waiting[2].clone(), waiting[1].clone()]);
    }

    #[test]
    fn a_place_that_comes_while_a_reconcile_ends_is_kept() {
        let long = LongWork::new(1);
        let [one, two] = [key("a", "1"), key("b", "1")];
        assert!(long.enter(&one) && !long.enter(&two));

        assert_eq!(long.end(&one), std::slice::from_ref(&two));
        assert_eq!(long.end(&two), [], "of the reconcile that got none");

        long.begin(&two);
        assert!(long.enter(&two) && !long.enter(&one));
        assert_eq!(long.end(&two), std::slice::from_ref(&one), "it needed its place no more, or did");
    }

    #[test]
    fn what_is_forgotten_gives_back_its_place() {
        let long = LongWork::new(1);
        let [one, two, three] = [key("a", "1"), key("b", "1"), key("c", "1")];
        assert!(long.enter(&one) && !long.enter(&two) && !long.enter(&three));

        assert_eq!(long.forget(&two), []);
        assert_eq!(long.forget(&one), std::slice::from_ref(&three));
        assert!(long.enter(&three));
    }
}
