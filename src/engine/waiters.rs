//! Who waits for what in Svix: an event type, or an application, that is not there yet.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use super::object::ObjectKey;

/// Something in Svix that an object waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// The event type of this name.
    EventType(Box<str>),
    /// The application of this uid.
    Application(Box<str>),
}

/// Who waits, by connection and what for. An entry is gone once it was released; who still waits adds itself again.
#[derive(Default)]
pub struct Waiters(Mutex<Waiting>);

type Waiting = HashMap<(Arc<str>, Awaited), HashSet<ObjectKey>>;

impl Waiters {
    /// Adds an object to those that wait.
    pub fn add(&self, connection: &str, awaited: Awaited, key: &ObjectKey) {
        self.0.lock().entry((connection.into(), awaited)).or_default().insert(key.clone());
    }

    /// Removes an object from those that wait for this.
    pub fn remove(&self, connection: &str, awaited: Awaited, key: &ObjectKey) {
        let mut waiters = self.0.lock();
        let entry = (Arc::from(connection), awaited);
        if let Some(keys) = waiters.get_mut(&entry) {
            keys.remove(key);
            if keys.is_empty() {
                waiters.remove(&entry);
            }
        }
    }

    /// Removes an object that is gone, whatever it waited for.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.lock().retain(|_, keys| {
            keys.remove(key);
            !keys.is_empty()
        });
    }

    /// Removes and returns those that wait for this.
    #[must_use]
    pub fn release(&self, connection: &str, awaited: &Awaited) -> HashSet<ObjectKey> {
        self.0.lock().remove(&(connection.into(), awaited.clone())).unwrap_or_default()
    }

    /// Returns the applications of a connection that objects wait for.
    #[must_use]
    pub fn applications(&self, connection: &str) -> Vec<Box<str>> {
        let waiters = self.0.lock();
        let awaited = waiters.keys().filter(|(of, _)| &**of == connection);
        awaited
            .filter_map(|(_, awaited)| match awaited {
                Awaited::Application(application) => Some(application.clone()),
                Awaited::EventType(_) => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::object::Kind, *};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::Endpoint, "ns", name)
    }

    fn event_type(name: &str) -> Awaited {
        Awaited::EventType(name.into())
    }

    #[test]
    fn those_that_wait_are_released_once() {
        let waiters = Waiters::default();
        waiters.add("c", event_type("a.one"), &key("a"));
        waiters.add("c", event_type("a.one"), &key("b"));
        waiters.add("other", event_type("a.one"), &key("c"));

        let released = waiters.release("c", &event_type("a.one"));

        assert_eq!(released, HashSet::from([key("a"), key("b")]));
        assert!(waiters.release("c", &event_type("a.one")).is_empty());
    }

    #[test]
    fn an_object_that_is_gone_waits_for_nothing() {
        let waiters = Waiters::default();
        waiters.add("c", event_type("a.one"), &key("a"));
        waiters.add("c", Awaited::Application("app".into()), &key("a"));

        waiters.forget(&key("a"));

        assert!(waiters.release("c", &event_type("a.one")).is_empty());
        assert!(waiters.applications("c").is_empty());
    }

    #[test]
    fn awaited_applications_are_those_of_one_connection() {
        let waiters = Waiters::default();
        waiters.add("c", Awaited::Application("app".into()), &key("a"));
        waiters.add("d", Awaited::Application("other".into()), &key("a"));
        waiters.add("c", event_type("a.one"), &key("a"));

        assert_eq!(waiters.applications("c"), ["app".into()]);
    }
}
