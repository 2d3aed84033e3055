//! What the objects of a cluster declare, and the catalogue and directory that follow from it.
//!
//! # Flow
//! 1. A change is taken in at once: who owns the event type, and whether the schema in force may stay.
//! 2. The schema of the owner waits for its turn ([`Pending`]), and [`Feed::advance`] compiles it. Until then the previous one
//!    stays in force; an event type that has none is unknown, so that nobody takes it for undeclared.
//!
//! # Guarantees
//! - The first list is taken in as a whole: before that, nothing is judged.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::{
    api::{SvixConnectionSpec, WebhookEventType},
    catalogue::{CatalogueWriter, Declared, Directory, Holder, Prepared, Unusable},
    plan::{
        access,
        claims::{Declaration, Standing},
        ids,
    },
};

use super::{
    super::{
        errors::describe,
        references::{WatchTask, watch_names},
        watch::NamespacedName,
    },
    declarations::{Declarations, Entry, EventTypeId},
    pending::{Pending, Turn},
    schema::declared,
};

/// An object that was read, without what neither the catalogue nor the directory needs.
pub(super) struct Declaring {
    /// What it declares, by its spec and its status.
    pub entry: Entry,
    /// The object, without status and examples.
    pub object: WebhookEventType,
}

/// The objects of a list; `None`: one that cannot be decoded, of which what is known stays in force.
pub(super) type List = BTreeMap<NamespacedName, Option<Declaring>>;

pub(super) struct Feed {
    client: Client,
    writer: CatalogueWriter,
    directory: Directory,
    declarations: Declarations,
    /// Whether the first list was taken in.
    is_filled: bool,
    pending: Pending,
    /// The event types whose turn it is.
    compiling: FuturesUnordered<BoxFuture<'static, Compiled>>,
    /// The watches of ConfigMaps, by namespace: one in each that refers to a ConfigMap.
    watches: HashMap<Arc<str>, WatchTask>,
    /// ConfigMaps that changed.
    changes: mpsc::UnboundedSender<NamespacedName>,
    /// Objects that cannot be decoded and never could: each may declare any event type.
    unreadable: BTreeSet<NamespacedName>,
}

/// What became of an event type whose turn it was.
struct Compiled {
    turn: Turn,
    outcome: Outcome,
}

enum Outcome {
    /// The schema cannot be read now. The log says why.
    Unread,
    /// It takes longer than it may in this turn.
    TakesLonger,
    Prepared(Prepared),
    Unusable(Unusable),
}

impl Feed {
    /// Returns a feed that knows no object. Each ConfigMap that changes is sent to `changes`.
    pub fn new(
        client: Client,
        writer: CatalogueWriter,
        directory: Directory,
        changes: mpsc::UnboundedSender<NamespacedName>,
    ) -> Self {
        Self {
            client,
            writer,
            directory,
            declarations: Declarations::default(),
            is_filled: false,
            pending: Pending::default(),
            compiling: FuturesUnordered::new(),
            watches: HashMap::new(),
            changes,
            unreadable: BTreeSet::new(),
        }
    }

    /// Takes in a complete list.
    pub async fn replace(&mut self, mut list: List) {
        let unreadable: Vec<_> =
            list.iter().filter(|(_, object)| object.is_none()).map(|(name, _)| name.clone()).collect();
        let before: Vec<EventTypeId> = self.declarations.event_types().cloned().collect();
        let deleted: Vec<_> = self.declarations.objects().map(|(object, _)| object.clone()).collect();
        for deleted in deleted.iter().filter(|object| !list.contains_key(*object)) {
            self.declarations.set(deleted, None);
        }
        for (name, declaring) in &list {
            if let Some(declaring) = declaring {
                self.declarations.set(name, Some(declaring.entry.clone()));
            }
        }
        let declared: Vec<EventTypeId> = self.declarations.event_types().cloned().collect();
        if self.is_filled {
            let gone = before.iter().filter(|event_type| !self.declarations.has(event_type)).cloned();
            for event_type in gone.collect::<Vec<_>>() {
                self.update(&event_type, None);
            }
            for event_type in &declared {
                self.update_unless_present(event_type, &mut list).await;
            }
        } else {
            self.fill(&declared, &list).await;
            self.is_filled = true;
        }
        self.unreadable.clear();
        self.mark_unreadable(unreadable);
        self.watch_config_maps();
    }

    /// Takes in all event types of the first list.
    async fn fill(&mut self, event_types: &[EventTypeId], list: &List) {
        let mut tables: HashMap<String, Vec<(String, Declared)>> = HashMap::new();
        for event_type in event_types {
            let Some(owner) = self.publish_owner(event_type) else { continue };
            if let Some(Some(declaring)) = list.get(&owner)
                && let Some(declared) = declared(&self.client, &declaring.object).await
            {
                let table = tables.entry(event_type.connection.clone()).or_default();
                table.push((event_type.name.clone(), declared));
            }
        }
        for (connection, table) in tables {
            for (name, error) in self.writer.replace(&connection, table).await {
                warn_invalid(&EventTypeId { connection: connection.clone(), name }, &error);
            }
        }
        for event_type in event_types {
            self.record_unknown(event_type);
        }
    }

    /// Takes in an event type of a list, unless its owner is the one before, and its schema is in force already or cannot be
    /// decoded.
    async fn update_unless_present(&mut self, event_type: &EventTypeId, list: &mut List) {
        let Some((owner, _)) = self.owner(event_type) else { return self.update(event_type, None) };
        let is_same_owner = self.published_owner(event_type).as_ref() == Some(&owner);
        let object = match list.get_mut(&owner).map(Option::take) {
            Some(Some(declaring)) => Some(declaring.object),
            Some(None) if is_same_owner => return self.record_unknown(event_type),
            _ => None,
        };
        if let Some(object) = object.as_ref().filter(|it| is_same_owner && it.spec.schema_from.is_none())
            && let Some(declared) = declared(&self.client, object).await
            && self.writer.catalogue().is_declared(&event_type.connection, &event_type.name, &declared)
        {
            self.publish_owner(event_type);
            return self.pending.cancel(event_type);
        }
        self.update(event_type, object.map(|object| (owner, object)));
    }

    /// Records objects that cannot be decoded, except those whose earlier version is in force.
    pub fn mark_unreadable(&mut self, objects: impl IntoIterator<Item = NamespacedName>) {
        let unknown = objects.into_iter().filter(|object| self.declarations.of(object).is_none());
        self.unreadable.extend(unknown);
        self.publish_unreadable();
    }

    fn mark_readable(&mut self, object: &NamespacedName) {
        if self.unreadable.remove(object) {
            self.publish_unreadable();
        }
    }

    fn publish_unreadable(&self) {
        let has_unreadable = !self.unreadable.is_empty();
        self.writer.catalogue().update_unknown(|unknown| unknown.has_unreadable = has_unreadable);
    }

    /// Records whether an event type has an owner and no schema to judge payloads by.
    fn record_unknown(&self, event_type: &EventTypeId) {
        let EventTypeId { connection, name } = event_type;
        let is_unknown =
            self.owner(event_type).is_some() && !self.writer.catalogue().contains(connection, name);
        let key = (connection.clone(), name.clone());
        self.writer.catalogue().update_unknown(|unknown| {
            match is_unknown {
                true => unknown.event_types.insert(key),
                false => unknown.event_types.remove(&key),
            };
        });
    }

    /// Takes in an object that was created or changed.
    pub fn apply(&mut self, name: NamespacedName, declaring: Declaring) {
        self.mark_readable(&name);
        let Declaring { entry, object } = declaring;
        let event_type = entry.event_type();
        let before = self.declarations.set(&name, Some(entry)).map(|before| before.event_type());
        if let Some(before) = before.filter(|before| *before != event_type) {
            self.update(&before, None);
        }
        self.watch_config_maps();
        self.update(&event_type, Some((name, object)));
    }

    /// Takes in that an object was deleted.
    pub fn remove(&mut self, name: &NamespacedName) {
        self.mark_readable(name);
        if let Some(before) = self.declarations.set(name, None) {
            self.update(&before.event_type(), None);
        }
        self.watch_config_maps();
    }

    /// Reads a ConfigMap again, if a schema is in it.
    pub fn config_map_changed(&mut self, config_map: &NamespacedName) {
        let refers = |(object, entry): &(&NamespacedName, &Entry)| {
            object.namespace == config_map.namespace && entry.config_map.as_deref() == Some(&*config_map.name)
        };
        let referring = self.declarations.objects().filter(refers);
        let event_types: Vec<_> = referring.map(|(_, entry)| entry.event_type()).collect();
        for event_type in event_types {
            self.update(&event_type, None);
        }
    }

    /// Updates the event types that have another owner by the present rules of connections and labels of namespaces.
    pub fn rules_changed(&mut self) {
        let is_stale = |event_type: &&EventTypeId| {
            let owner = self.owner(event_type).map(|(owner, _)| owner);
            owner != self.published_owner(event_type)
        };
        let stale: Vec<_> = self.declarations.event_types().filter(is_stale).cloned().collect();
        for event_type in stale {
            self.update(&event_type, None);
        }
    }

    /// Compiles the schemas that wait, in turns, until one of them is taken in; never ends while none waits. Cancelling
    /// it loses none.
    pub async fn advance(&mut self) {
        while let Some(turn) = self.pending.next() {
            let (client, writer) = (self.client.clone(), self.writer.clone());
            self.compiling.push(compile(client, writer, turn).boxed());
        }
        match self.compiling.next().await {
            Some(compiled) => self.take_in(compiled),
            None => std::future::pending().await,
        }
    }

    /// Takes in all that waits.
    #[cfg(test)]
    pub async fn settle(&mut self) {
        while !self.pending.is_empty() {
            self.advance().await;
        }
    }

    /// Takes in a schema that was compiled, if it is still declared.
    fn take_in(&mut self, compiled: Compiled) {
        let Compiled { turn: Turn { event_type, compilation, owner, object }, outcome } = compiled;
        if !self.pending.end(&event_type, compilation) {
            return;
        }
        match outcome {
            Outcome::Unread => {}
            Outcome::TakesLonger => return self.pending.repeat(&event_type, owner, object),
            Outcome::Prepared(prepared) => {
                self.writer.insert(&event_type.connection, &event_type.name, prepared);
            }
            Outcome::Unusable(error) => warn_invalid(&event_type, &error),
        }
        self.record_unknown(&event_type);
    }

    /// Takes in that an event type may have another owner or another schema, which waits for its turn. `known` is an object
    /// that was just read.
    fn update(&mut self, event_type: &EventTypeId, known: Option<(NamespacedName, WebhookEventType)>) {
        let EventTypeId { connection, name } = event_type;
        if self.is_revoked(event_type) {
            self.writer.catalogue().remove(connection, name);
        }
        match self.publish_owner(event_type) {
            Some(owner) => {
                let object = known.filter(|(name, _)| *name == owner).map(|(_, object)| object);
                self.pending.push(event_type, owner, object);
            }
            None => {
                self.writer.catalogue().remove(connection, name);
                self.pending.cancel(event_type);
            }
        }
        self.record_unknown(event_type);
    }

    /// Records the owner of an event type in the directory, and returns it.
    fn publish_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let owner = self.owner(event_type);
        let published = owner.as_ref().map(|(NamespacedName { namespace, name }, is_refused)| Holder {
            namespace: namespace.to_string(),
            name: name.to_string(),
            is_refused: *is_refused,
        });
        self.directory.set_holder(&event_type.connection, &event_type.name, published);
        owner.map(|(owner, _)| owner)
    }

    /// Returns the owner that is in the directory.
    fn published_owner(&self, event_type: &EventTypeId) -> Option<NamespacedName> {
        let Holder { namespace, name, is_refused: _ } =
            self.directory.holder(&event_type.connection, &event_type.name)?;
        Some(NamespacedName { namespace: namespace.into(), name: name.into() })
    }

    /// Returns the object that owns an event type, and whether it would give way to another one.
    fn owner(&self, event_type: &EventTypeId) -> Option<(NamespacedName, bool)> {
        let connection = self.directory.connection(&event_type.connection);
        let names = connection.as_deref().map(SvixConnectionSpec::event_type_names);
        let has_invalid_name =
            names.is_some_and(|names| ids::check_event_type_name(&event_type.name, names).is_err());
        self.declarations.owner(event_type, |object, declaration| Standing {
            is_permitted: self.is_permitted(object, declaration),
            is_refused: has_invalid_name,
        })
    }

    /// Whether the connection permits an object what it declares.
    fn is_permitted(&self, object: &NamespacedName, declaration: &Declaration) -> bool {
        let connection = self.directory.connection(&declaration.connection);
        let labels = self.directory.namespace(&object.namespace);
        access::check(declaration, &object.namespace, connection.as_deref(), labels.as_deref()).is_ok()
    }

    /// Whether the schema in force comes from an object that still declares the event type and is not permitted to any
    /// more. Such a schema does not stay, even when there is no other one.
    fn is_revoked(&self, event_type: &EventTypeId) -> bool {
        let Some(owner) = self.published_owner(event_type) else { return false };
        let entry = self.declarations.of(&owner).filter(|entry| entry.event_type() == *event_type);
        entry.is_some_and(|entry| !self.is_permitted(&owner, &entry.declaration))
    }

    /// Watches ConfigMaps in the namespaces that refer to one, and in no others.
    fn watch_config_maps(&mut self) {
        let wanted: HashSet<&Arc<str>> = self
            .declarations
            .objects()
            .filter(|(_, entry)| entry.config_map.is_some())
            .map(|(object, _)| &object.namespace)
            .collect();
        self.watches.retain(|namespace, _| wanted.contains(namespace));
        for namespace in wanted {
            if self.watches.contains_key(namespace) {
                continue;
            }
            let (client, changes, namespace) = (self.client.clone(), self.changes.clone(), namespace.clone());
            let task = WatchTask::spawn({
                let namespace = namespace.clone();
                async move {
                    watch_names::<ConfigMap>(client, &namespace, |name| {
                        // The receiver goes away only when the whole feed ends.
                        let _ =
                            changes.send(NamespacedName { namespace: namespace.clone(), name: name.into() });
                    })
                    .await;
                }
            });
            self.watches.insert(namespace, task);
        }
    }
}

/// Reads what the owner of an event type declares, and compiles its schema.
async fn compile(client: Client, writer: CatalogueWriter, mut turn: Turn) -> Compiled {
    if turn.object.is_none() {
        turn.object = read(&client, &turn.owner).await;
    }
    let declared = match &turn.object {
        Some(object) => declared(&client, object).await,
        None => None,
    };
    let Some(declared) = declared else { return Compiled { turn, outcome: Outcome::Unread } };
    let EventTypeId { connection, name } = &turn.event_type;
    let outcome = match writer.prepare(turn.compilation, connection, name, declared).await {
        Ok(Some(prepared)) => Outcome::Prepared(prepared),
        Ok(None) => Outcome::TakesLonger,
        Err(error) => Outcome::Unusable(error),
    };
    Compiled { turn, outcome }
}

async fn read(client: &Client, object: &NamespacedName) -> Option<WebhookEventType> {
    let NamespacedName { namespace, name } = object;
    let api: Api<WebhookEventType> = Api::namespaced(client.clone(), namespace);
    api.get_opt(name).await.unwrap_or_else(|error| {
        let error = describe(&error);
        tracing::warn!(
            %namespace, %name, error,
            "the WebhookEventType cannot be read; what is known of it stays in force"
        );
        None
    })
}

fn warn_invalid(event_type: &EventTypeId, error: &Unusable) {
    let EventTypeId { connection, name } = event_type;
    tracing::warn!(
        connection, event_type = name, %error,
        "the schema cannot be used; the previous one stays in force, if there is one"
    );
}
