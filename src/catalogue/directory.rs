//! The objects that declare event types, the specs of connections, and the labels of namespaces. Admission reads it when an
//! object is declared; the gateway never does.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::api::SvixConnectionSpec;

/// The object whose declaration of an event type counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether its spec cannot be carried out. Then another object that declares the same becomes the owner.
    pub is_refused: bool,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The directory. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    contents: Arc<RwLock<Contents>>,
    connections_changed: Arc<watch::Sender<()>>,
    namespaces_changed: Arc<watch::Sender<()>>,
}

#[derive(Default)]
struct Contents {
    connections: HashMap<String, Arc<SvixConnectionSpec>>,
    /// Connections that are being deleted.
    going: HashSet<String>,
    holders: HashMap<String, HashMap<String, Holder>>,
    namespaces: HashMap<String, Arc<BTreeMap<String, String>>>,
}

impl Directory {
    /// Sets the spec of a connection; `None`: there is none. Deletion is recorded by [`Self::connection_is_going`].
    pub fn set_connection(&self, name: &str, spec: Option<SvixConnectionSpec>) {
        let mut contents = self.contents.write();
        contents.going.remove(name);
        match spec {
            Some(spec) => contents.connections.insert(name.to_owned(), Arc::new(spec)),
            None => contents.connections.remove(name),
        };
        drop(contents);
        self.connections_changed.send_replace(());
    }

    /// Records that a connection is being deleted. It has finalizers while objects use it, so that may take long.
    pub fn connection_is_going(&self, name: &str) {
        self.contents.write().going.insert(name.to_owned());
    }

    /// Whether a connection is being deleted.
    #[must_use]
    pub fn is_going(&self, name: &str) -> bool {
        self.contents.read().going.contains(name)
    }

    /// Watches the specs of connections.
    #[must_use]
    pub fn watch_connections(&self) -> watch::Receiver<()> {
        self.connections_changed.subscribe()
    }

    /// Returns the spec of a connection; `None`: there is none of this name.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<SvixConnectionSpec>> {
        self.contents.read().connections.get(name).cloned()
    }

    /// The names of the connections.
    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        self.contents.read().connections.keys().cloned().collect()
    }

    /// Sets the labels of a namespace; `None`: there is none.
    pub fn set_namespace(&self, name: &str, labels: Option<BTreeMap<String, String>>) {
        let mut contents = self.contents.write();
        if contents.namespaces.get(name).map(|labels| &**labels) == labels.as_ref() {
            return;
        }
        match labels {
            Some(labels) => contents.namespaces.insert(name.to_owned(), Arc::new(labels)),
            None => contents.namespaces.remove(name),
        };
        drop(contents);
        self.namespaces_changed.send_replace(());
    }

    /// Watches the labels of namespaces.
    #[must_use]
    pub fn watch_namespaces(&self) -> watch::Receiver<()> {
        self.namespaces_changed.subscribe()
    }

    /// Returns the labels of a namespace; `None`: they are not known.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<BTreeMap<String, String>>> {
        self.contents.read().namespaces.get(name).cloned()
    }

    /// Sets the object that declares an event type; `None`: no object does that is permitted to.
    pub fn set_holder(&self, connection: &str, event_type: &str, holder: Option<Holder>) {
        let mut contents = self.contents.write();
        let table = contents.holders.entry(connection.to_owned()).or_default();
        match holder {
            Some(holder) => table.insert(event_type.to_owned(), holder),
            None => table.remove(event_type),
        };
        if table.is_empty() {
            contents.holders.remove(connection);
        }
    }

    /// Returns the object that declares an event type; `None`: no object does that is permitted to.
    #[must_use]
    pub fn holder(&self, connection: &str, event_type: &str) -> Option<Holder> {
        self.contents.read().holders.get(connection)?.get(event_type).cloned()
    }
}
