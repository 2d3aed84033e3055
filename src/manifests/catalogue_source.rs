//! Feeds a catalogue with the event types of a folder, for the gateway of `dev` and for `--from`.
//!
//! If two objects declare one event type, the schema of its owner is used, and never that of an object to which the
//! connection's `access` does not grant the event type. One whose spec cannot be carried out gives way to one whose spec
//! can, unless it is the owner already. An object that is broken now, or whose file is, keeps its
//! previous schema: a mistake in a file lets no payload pass.
//!
//! While a connection may be declared in a manifest that cannot be used, nothing new is declared through it, since its
//! `access` is not known. What cannot be judged is recorded in the catalogue as unknown, so that it does not pass as
//! undeclared.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio_util::sync::CancellationToken;

use crate::{
    api::{SvixConnectionSpec, WebhookEventType},
    catalogue::{self, Catalogue, Unknown},
    engine::Kind,
    plan::{ReconcileError, access},
    schema::InvalidSchema,
};

use super::{
    connections::{FolderConnections, MissingConnection},
    declarations::{ObjectName, UnusableSchema, checked, declarers, is_refused, object_name, owner},
    folder::Interrupted,
    loaded::{ConfigMapTexts, Loaded},
    problem::Problem,
};

/// Keeps a catalogue in sync with a folder.
pub struct CatalogueSource {
    catalogue: Catalogue,
    connections: HashMap<String, SvixConnectionSpec>,
    /// What the folder says of connections that are not among them.
    folder_connections: FolderConnections,
    /// The labels of namespaces, which the access rules of connections select.
    namespaces: HashMap<String, BTreeMap<String, String>>,
    event_types: Vec<WebhookEventType>,
    /// The content of the catalogue, by connection and name.
    published: BTreeMap<(String, String), catalogue::Declared>,
    /// The owner of each event type. It stays the owner for as long as it declares the event type.
    owners: BTreeMap<(String, String), ObjectName>,
    /// The problems that were reported already.
    reported: Vec<CatalogueProblem>,
}

/// Something in a folder that the catalogue cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueProblem {
    /// A mistake in a manifest.
    #[error("{0}")]
    Manifest(Problem),
    /// A connection that event types use and that cannot be used.
    #[error("{0}; until then, nothing new is declared through it")]
    Connection(MissingConnection),
    /// An event type that its namespace may not declare.
    #[error("event type {event_type}: {source}")]
    NotPermitted {
        /// The event type.
        event_type: String,
        /// The reason.
        source: ReconcileError,
    },
    /// An event type whose schema cannot be used.
    #[error("event type {event_type}: {source}; {}", outcome(*.keeps_previous))]
    Unusable {
        /// The event type.
        event_type: String,
        /// The reason.
        source: UnusableSchema,
        /// Whether its previous schema is still used.
        keeps_previous: bool,
    },
    /// An event type whose schema does not compile.
    #[error("event type {event_type}: {source}")]
    Schema {
        /// The event type.
        event_type: String,
        /// The reason.
        source: InvalidSchema,
    },
}

fn outcome(keeps_previous: bool) -> &'static str {
    match keeps_previous {
        true => "its previous schema is used",
        false => "no message of the event type passes",
    }
}

impl CatalogueSource {
    /// A source of this catalogue that has read nothing yet.
    #[must_use]
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            connections: HashMap::new(),
            folder_connections: FolderConnections::default(),
            namespaces: HashMap::new(),
            event_types: Vec::new(),
            published: BTreeMap::new(),
            owners: BTreeMap::new(),
            reported: Vec::new(),
        }
    }

    /// Returns the connection of this name, as the folder declares it.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<&SvixConnectionSpec> {
        self.connections.get(name)
    }

    /// Returns why the connection of this name cannot be used; `None`: it can, or the folder has no connections, so that
    /// none sets a rule.
    #[must_use]
    pub fn missing_connection(&self, name: &str) -> Option<MissingConnection> {
        let is_missing = !self.connections.contains_key(name) && !self.folder_connections.is_empty();
        is_missing.then(|| self.folder_connections.missing(name))
    }

    /// Updates the catalogue with the content of the folder. Returns the problems that were not reported before.
    pub fn update(&mut self, loaded: &Loaded) -> Vec<CatalogueProblem> {
        self.update_until(loaded, &CancellationToken::new()).unwrap_or_default()
    }

    /// The same, unless `stop` is cancelled meanwhile: schemas are compiled on this thread. Then the event types of each connection are
    /// either those before or the new ones, and no further update follows.
    pub fn update_until(
        &mut self,
        loaded: &Loaded,
        stop: &CancellationToken,
    ) -> Result<Vec<CatalogueProblem>, Interrupted> {
        self.take_in(loaded);
        let mut problems: Vec<_> = loaded.problems.iter().cloned().map(CatalogueProblem::Manifest).collect();
        // How a connection writes channels is not known before it can be read either.
        let has_unreadable = loaded.may_lack(Kind::EventType.as_str())
            || self.folder_connections.may_lack(|name| self.connections.contains_key(name));
        problems.extend(self.publish(&loaded.config_map_texts(), has_unreadable, stop)?);
        let new = problems.iter().filter(|problem| !self.reported.contains(problem)).cloned().collect();
        self.reported = problems;
        self.catalogue.loaded();
        Ok(new)
    }

    /// Replaces what an earlier reading brought, except what is broken now.
    fn take_in(&mut self, loaded: &Loaded) {
        let keeps = |kind: Kind, namespace: Option<&str>, name: &str| {
            loaded.keeps_previous(kind.as_str(), namespace, name)
        };
        self.connections.retain(|name, _| keeps(Kind::Connection, None, name));
        self.connections.extend(loaded.connections.iter().filter_map(|located| {
            Some((located.object.metadata.name.clone()?, located.object.spec.clone()))
        }));
        self.folder_connections = FolderConnections::new(loaded);
        self.namespaces.retain(|name, _| loaded.keeps_previous("Namespace", None, name));
        self.namespaces.extend(loaded.namespaces.iter().filter_map(|located| {
            let metadata = &located.object.metadata;
            Some((metadata.name.clone()?, metadata.labels.clone().unwrap_or_default()))
        }));
        let current: Vec<_> = loaded.event_types.iter().map(|located| &located.object).collect();
        self.event_types.retain(|previous| {
            let (namespace, name) = object_name(previous);
            let is_replaced = current
                .iter()
                .any(|object| (&object.metadata.namespace, &object.metadata.name) == (&namespace, &name));
            !is_replaced && keeps(Kind::EventType, namespace.as_deref(), name.as_deref().unwrap_or_default())
        });
        self.event_types.extend(current.into_iter().cloned());
    }

    /// Writes the declared event types into the catalogue. Returns what cannot be used.
    fn publish(
        &mut self,
        config_maps: &ConfigMapTexts,
        has_unreadable: bool,
        stop: &CancellationToken,
    ) -> Result<Vec<CatalogueProblem>, Interrupted> {
        let mut problems = Vec::new();
        let (mut usable, mut owners) = (BTreeMap::new(), BTreeMap::new());
        let mut unknown = Unknown { event_types: BTreeSet::new(), has_unreadable };
        let mut missing: BTreeMap<&str, MissingConnection> = BTreeMap::new();
        for ((connection, event_type), objects) in declarers(&self.event_types) {
            if stop.is_cancelled() {
                return Err(Interrupted);
            }
            let names = self.connections.get(connection).map(SvixConnectionSpec::event_type_names);
            let key = (connection.to_owned(), event_type.clone());
            let previous_owner = self.owners.get(&key);
            if let Some(why) = self.missing_connection(connection) {
                missing.entry(connection).or_insert(why);
                match self.published.get(&key) {
                    Some(previous) => {
                        owners.extend(previous_owner.map(|owner| (key.clone(), owner.clone())));
                        usable.insert(key, previous.clone());
                    }
                    None => {
                        unknown.event_types.insert(key);
                    }
                }
                continue;
            }
            let owner = owner(
                &objects,
                previous_owner,
                |object| self.permitted(object).is_ok(),
                |object| is_refused(object, names, config_maps),
            );
            let Some(owner) = owner else {
                let errors = objects.iter().filter_map(|object| self.permitted(object).err());
                problems.extend(
                    errors.map(|source| CatalogueProblem::NotPermitted {
                        event_type: event_type.clone(),
                        source,
                    }),
                );
                continue;
            };
            let is_previous_owner =
                |object: &&&WebhookEventType| previous_owner == Some(&object_name(object));
            let is_barred =
                objects.iter().find(is_previous_owner).is_some_and(|object| self.permitted(object).is_err());
            owners.insert(key.clone(), object_name(owner));
            match checked(owner, names, config_maps) {
                Ok(declared) => {
                    usable.insert(key, declared);
                }
                Err(source) => {
                    let previous = self.published.get(&key).filter(|_| !is_barred);
                    let keeps_previous = previous.is_some();
                    problems.push(CatalogueProblem::Unusable { event_type, source, keeps_previous });
                    match previous {
                        Some(previous) => {
                            usable.insert(key, previous.clone());
                        }
                        None => {
                            unknown.event_types.insert(key);
                        }
                    }
                }
            }
        }
        problems.extend(missing.into_values().map(CatalogueProblem::Connection));
        let mut tables: BTreeMap<&str, Vec<(String, catalogue::Declared)>> = BTreeMap::new();
        for (connection, _) in self.published.keys() {
            // A connection that has no event types any more is emptied.
            tables.entry(connection).or_default();
        }
        for ((connection, name), declared) in &usable {
            tables.entry(connection).or_default().push((name.clone(), declared.clone()));
        }
        for (connection, table) in tables {
            let replaced = self.catalogue.replace_unless(connection, table, || stop.is_cancelled());
            for (event_type, source) in replaced.ok_or(Interrupted)? {
                if !self.catalogue.contains(connection, &event_type) {
                    unknown.event_types.insert((connection.to_owned(), event_type.clone()));
                }
                problems.push(CatalogueProblem::Schema { event_type, source });
            }
        }
        self.catalogue.set_unknown(unknown);
        (self.published, self.owners) = (usable, owners);
        Ok(problems)
    }

    /// Whether the connection grants an object the event type that it declares.
    fn permitted(&self, object: &WebhookEventType) -> Result<(), ReconcileError> {
        let connection = self.connections.get(object.connection_name());
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        access::check(object, namespace, connection, self.namespaces.get(namespace))
    }
}

#[cfg(test)]
mod tests;
