//! Who receives the events of an event type: whom it concerns when the event type is archived, removed, or given a schema that
//! breaks receivers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::api::{Receivers, WebhookEndpoint};

/// Most endpoints that are named.
pub const MAX_NAMED: usize = 10;

/// Whether an endpoint receives events through a connection: it is in Svix, and neither disabled nor being deleted.
#[must_use]
pub fn receives(endpoint: &WebhookEndpoint, connection: &str) -> bool {
    let in_svix = endpoint.status.as_ref().and_then(|status| status.svix.as_ref());
    in_svix.is_some_and(|svix| svix.connection == connection)
        && endpoint.spec.disabled != Some(true)
        && endpoint.metadata.deletion_timestamp.is_none()
}

/// Returns the receivers as the readers of a namespace may see them: those of the namespace by name, and the number of the
/// others. `endpoints`: namespaces and names.
#[must_use]
pub fn seen_from<'a>(namespace: &str, endpoints: impl IntoIterator<Item = (&'a str, &'a str)>) -> Receivers {
    let mut names = BTreeSet::new();
    let (mut count, mut in_other_namespaces) = (0, 0);
    for (of, name) in endpoints {
        count += 1;
        if of == namespace {
            insert_bounded(&mut names, name);
        } else {
            in_other_namespaces += 1;
        }
    }
    let endpoints = names.into_iter().map(str::to_owned).collect();
    Receivers { count, endpoints, in_other_namespaces }
}

/// Returns the receivers for somebody who may see all of them. The names are distinct.
#[must_use]
pub fn named<'a>(endpoints: impl IntoIterator<Item = &'a str>) -> Receivers {
    let mut names = BTreeSet::new();
    let mut count = 0;
    for name in endpoints {
        count += 1;
        insert_bounded(&mut names, name);
    }
    let endpoints = names.into_iter().map(str::to_owned).collect();
    Receivers { count, endpoints, in_other_namespaces: 0 }
}

/// Keeps the first names.
fn insert_bounded<'a>(names: &mut BTreeSet<&'a str>, name: &'a str) {
    names.insert(name);
    if names.len() > MAX_NAMED {
        names.pop_last();
    }
}

/// Returns the receivers as a part of a message; `None`: there are none.
#[must_use]
pub fn describe(receivers: &Receivers) -> Option<String> {
    let Receivers { count, endpoints, in_other_namespaces } = receivers;
    let mut text = match count {
        0 => return None,
        1 => "1 endpoint receives its events".to_owned(),
        count => format!("{count} endpoints receive its events"),
    };
    let named = i64::try_from(endpoints.len()).unwrap_or(i64::MAX);
    let more = count.saturating_sub(*in_other_namespaces).saturating_sub(named);
    let mut parts = Vec::new();
    if !endpoints.is_empty() {
        parts.push(endpoints.join(", "));
    }
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    match in_other_namespaces {
        0 => {}
        _ if parts.is_empty() => text.push_str(", in other namespaces"),
        others => parts.push(format!("{others} in other namespaces")),
    }
    if let Some((last, first)) = parts.split_last() {
        text.push_str(": ");
        text.push_str(&first.join(", "));
        text.push_str(if first.is_empty() { "" } else { ", and " });
        text.push_str(last);
    }
    Some(text)
}

/// Returns a message with the receivers behind it, if there are any.
#[must_use]
pub fn append(message: String, receivers: Option<&Receivers>) -> String {
    match receivers.and_then(describe) {
        Some(text) => format!("{message}; {text}"),
        None => message,
    }
}

/// Who subscribes to which event type, by connection. The time of each operation grows with the logarithm of the number of
/// subscribers.
#[derive(Debug)]
pub struct Subscriptions<K> {
    connections: HashMap<Arc<str>, HashMap<Box<str>, BTreeSet<K>>>,
}

impl<K> Default for Subscriptions<K> {
    fn default() -> Self {
        Self { connections: HashMap::new() }
    }
}

impl<K: Ord + Clone> Subscriptions<K> {
    /// Adds a subscriber.
    pub fn add<'a>(
        &mut self,
        connection: &Arc<str>,
        event_types: impl IntoIterator<Item = &'a str>,
        key: &K,
    ) {
        let of_connection = self.connections.entry(connection.clone()).or_default();
        for name in event_types {
            of_connection.entry(name.into()).or_default().insert(key.clone());
        }
    }

    /// Removes a subscriber.
    pub fn remove<'a>(&mut self, connection: &str, event_types: impl IntoIterator<Item = &'a str>, key: &K) {
        let Some(of_connection) = self.connections.get_mut(connection) else { return };
        for name in event_types {
            if let Some(subscribers) = of_connection.get_mut(name) {
                subscribers.remove(key);
                if subscribers.is_empty() {
                    of_connection.remove(name);
                }
            }
        }
        if of_connection.is_empty() {
            self.connections.remove(connection);
        }
    }

    /// Returns the subscribers of an event type, sorted.
    pub fn of(&self, connection: &str, event_type: &str) -> impl Iterator<Item = &K> {
        self.connections.get(connection).and_then(|it| it.get(event_type)).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(namespace: &str, endpoints: &[(&str, &str)]) -> Option<String> {
        describe(&seen_from(namespace, endpoints.iter().copied()))
    }

    #[test]
    fn only_the_own_namespace_is_named() {
        for (endpoints, expected) in [
            (&[][..], None),
            (&[("a", "x")][..], Some("1 endpoint receives its events: x")),
            (&[("b", "x")], Some("1 endpoint receives its events, in other namespaces")),
            (&[("a", "y"), ("a", "x")], Some("2 endpoints receive its events: x, y")),
            (
                &[("a", "y"), ("b", "secret"), ("c", "hidden")],
                Some("3 endpoints receive its events: y, and 2 in other namespaces"),
            ),
        ] {
            assert_eq!(text("a", endpoints).as_deref(), expected);
        }
    }

    #[test]
    fn names_are_bounded_and_counted() {
        let names: Vec<_> = (0..13).map(|index| format!("e{index:02}")).collect();
        let endpoints = names.iter().map(|name| ("a", name.as_str())).chain([("b", "z")]);

        let receivers = seen_from("a", endpoints);

        assert_eq!((receivers.count, receivers.endpoints.len(), receivers.in_other_namespaces), (14, 10, 1));
        assert_eq!(receivers.endpoints[9], "e09");
        let text = describe(&receivers).unwrap_or_default();
        assert!(text.ends_with("e08, e09, 3 more, and 1 in other namespaces"), "{text}");
    }

    #[test]
    fn subscriptions_are_found_by_event_type() {
        let mut subscriptions = Subscriptions::default();
        let (one, other) = (Arc::from("one"), Arc::from("other"));
        subscriptions.add(&one, ["a.b", "a.c"], &"x");
        subscriptions.add(&one, ["a.b"], &"y");
        subscriptions.add(&other, ["a.b"], &"z");

        subscriptions.remove("one", ["a.b", "a.c"], &"x");

        assert_eq!(subscriptions.of("one", "a.b").collect::<Vec<_>>(), [&"y"]);
        assert_eq!(subscriptions.of("one", "a.c").count(), 0);
        subscriptions.remove("one", ["a.b"], &"y");
        assert_eq!(subscriptions.connections.keys().map(|it| &**it).collect::<Vec<_>>(), ["other"]);
    }
}
