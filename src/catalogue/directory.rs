//! Who declares each event type, what connections say of names and access, and the labels of namespaces: what a review
//! of a declaration asks for. It is read when something is declared, never by the gateway.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::api::SvixConnectionSpec;

/// The object that holds an event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
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
    /// Takes in what a connection says; `None`: it is gone. Says nothing of its deletion: [`Self::connection_is_going`].
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

    /// Takes in that a connection that is known is being deleted. Objects hold it, so that may take as long as they want.
    pub fn connection_is_going(&self, name: &str) {
        self.contents.write().going.insert(name.to_owned());
    }

    /// Whether a connection is being deleted.
    #[must_use]
    pub fn is_going(&self, name: &str) -> bool {
        self.contents.read().going.contains(name)
    }

    /// Tells of every change of what connections say.
    #[must_use]
    pub fn watch_connections(&self) -> watch::Receiver<()> {
        self.connections_changed.subscribe()
    }

    /// What a connection says; `None`: there is none of this name.
    #[must_use]
    pub fn connection(&self, name: &str) -> Option<Arc<SvixConnectionSpec>> {
        self.contents.read().connections.get(name).cloned()
    }

    /// The names of the connections.
    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        self.contents.read().connections.keys().cloned().collect()
    }

    /// Takes in the labels of a namespace; `None`: it is gone.
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

    /// Tells of every change of the labels of namespaces.
    #[must_use]
    pub fn watch_namespaces(&self) -> watch::Receiver<()> {
        self.namespaces_changed.subscribe()
    }

    /// The labels of a namespace; `None`: they are not known.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<Arc<BTreeMap<String, String>>> {
        self.contents.read().namespaces.get(name).cloned()
    }

    /// Takes in who holds an event type; `None`: nobody declares it any more, or nobody who may.
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

    /// Who holds an event type; `None`: nobody declares it who may.
    #[must_use]
    pub fn holder(&self, connection: &str, event_type: &str) -> Option<Holder> {
        self.contents.read().holders.get(connection)?.get(event_type).cloned()
    }
}
