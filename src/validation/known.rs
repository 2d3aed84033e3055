//! What the admission webhook would know of a cluster that has the objects that were read, and no others.

use std::collections::{BTreeMap, HashSet};

use crate::{
    admission::Known,
    api::{SvixConnectionSpec, WebhookEventType},
    catalogue::{Declared, Holder},
    engine::Kind,
    manifests::{ConfigMapTexts, Loaded, declarations},
    plan::access,
};

/// An event type by the connection that it is declared through and by name.
pub(super) type EventTypeName<'a> = (&'a str, &'a str);

/// Collects what admission needs. Only the schemas of event types that an event or one of `needed` names are compiled.
pub(super) fn known<'a>(
    loaded: &'a Loaded,
    texts: &ConfigMapTexts,
    needed: impl Iterator<Item = EventTypeName<'a>>,
) -> Known {
    let known = Known::default();
    let directory = &known.directory;
    for connection in &loaded.connections {
        let name = connection.object.metadata.name.as_deref().unwrap_or_default();
        directory.set_connection(name, Some(connection.object.spec.clone()));
    }
    for namespace in &loaded.namespaces {
        let metadata = &namespace.object.metadata;
        let labels = metadata.labels.clone().unwrap_or_default();
        directory.set_namespace(metadata.name.as_deref().unwrap_or_default(), Some(labels));
    }
    let needed: HashSet<_> = loaded
        .events
        .iter()
        .map(|event| (event.object.connection_name(), event.object.spec.event_type.as_str()))
        .chain(needed)
        .collect();
    let mut tables: BTreeMap<&str, Vec<(String, Declared)>> = BTreeMap::new();
    for ((connection, name), owner) in owners(loaded, texts, &known) {
        let holder = Holder {
            namespace: owner.metadata.namespace.clone().unwrap_or_default(),
            name: owner.metadata.name.clone().unwrap_or_default(),
            is_refused: false,
        };
        directory.set_holder(connection, &name, Some(holder));
        if needed.contains(&(connection, name.as_str()))
            && let Ok(declared) = declarations::declared(owner, texts)
        {
            tables.entry(connection).or_default().push((name, declared));
        }
    }
    set_broken_holders(loaded, &known);
    for (connection, table) in tables {
        // One that does not compile is an error of the event type.
        known.catalogue.replace(connection, table);
    }
    known.catalogue.loaded();
    known
}

/// The owner of each event type among the objects that declare it.
fn owners<'a>(
    loaded: &'a Loaded,
    texts: &ConfigMapTexts,
    known: &Known,
) -> impl Iterator<Item = ((&'a str, String), &'a WebhookEventType)> {
    let declarers = declarations::declarers(loaded.event_types.iter().map(|located| &located.object));
    declarers.into_iter().filter_map(|(name, objects)| {
        let connection = known.directory.connection(name.0);
        let connection = connection.as_deref();
        let names = connection.map(SvixConnectionSpec::event_type_names);
        let owner = declarations::owner(
            &objects,
            None,
            |object| permits(connection, object, known),
            |object| declarations::is_refused(object, names, texts),
        )?;
        Some((name, owner))
    })
}

/// Whether the connection permits an object what it declares, as far as that is known: rules may select namespaces by
/// labels that no manifest shows.
fn permits(connection: Option<&SvixConnectionSpec>, object: &WebhookEventType, known: &Known) -> bool {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    match known.directory.namespace(namespace) {
        Some(labels) => access::check(object, namespace, connection, Some(&labels)).is_ok(),
        None => true,
    }
}

/// An event type with a mistake is declared all the same: what refers to it needs no second error. Its name in Svix is
/// nearly always that of the object.
fn set_broken_holders(loaded: &Loaded, known: &Known) {
    let broken = loaded.problems.iter().filter_map(|problem| problem.object.as_ref());
    for id in broken.filter(|id| id.kind == Kind::EventType.as_str()) {
        let namespace = id.namespace.clone().unwrap_or_default();
        let holder = Holder { namespace, name: id.name.clone(), is_refused: true };
        for connection in known.directory.connections() {
            if known.directory.holder(&connection, &id.name).is_none() {
                known.directory.set_holder(&connection, &id.name, Some(holder.clone()));
            }
        }
    }
}
