//! Removes our finalizer from objects, as before an uninstall, and leaves Svix as it is.
//!
//! # Flow
//! 1. [`find`] finds every object to release, before the first one changes: so a dry run is the first half of a release, and
//!    a list is not read while it changes.
//! 2. [`release`] removes the finalizer: from event types, then from endpoints, then from connections.
//!
//! # Guarantees
//! Only metadata is read, so an object that cannot be decoded is released like any other. Finalizers of others stay, also
//! those that are set meanwhile, and a writer that changes an object all the time does not keep it from being released.
//!
//! # Assumptions
//! No operator runs: it would set the finalizer again. See [`lease::find_live_holder`](super::lease::find_live_holder).

mod objects;
mod report;
mod selection;

use futures::{StreamExt as _, stream};
use kube::Client;

use crate::engine::Kind;

use super::errors::KubernetesError;

use objects::Found;
pub use report::{Row, State, Table, json};
pub use selection::{ObjectKeyError, Selection, parse_object_key};

/// The kinds that our finalizer is on, in the order in which they are released: connections last, since objects use them, and
/// event types before the endpoints that need them.
pub const KINDS: [Kind; 3] = [Kind::EventType, Kind::Endpoint, Kind::Connection];

/// The number of objects that are released at once: many times faster than one by one, and little for an API server.
const CONCURRENCY: usize = 16;

/// The objects to release, and what is known before.
#[derive(Debug, Default)]
pub struct Targets {
    /// Objects that our finalizer is on, in the order in which they are released.
    found: Vec<Found>,
    /// Objects that were named and need no release, or cannot be read.
    settled: Vec<Row>,
    /// Kinds that the cluster does not know, since their CRD is not installed: there are no objects of them.
    pub missing: Vec<Kind>,
    /// Kinds that could not be listed, and why.
    pub unlisted: Vec<(Kind, KubernetesError)>,
}

impl Targets {
    /// Whether there may be something to release. Of a kind that cannot be listed, it is not known.
    #[must_use]
    pub fn may_have_work(&self) -> bool {
        !(self.found.is_empty() && self.unlisted.is_empty())
    }

    /// Returns what a release would do.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let would = |object: &Found| Row { key: object.key.clone(), state: State::WouldBeReleased };
        self.settled.iter().cloned().chain(self.found.iter().map(would)).collect()
    }

    /// Returns a table for all objects.
    #[must_use]
    pub fn table(&self) -> Table {
        let found = self.found.iter().map(|object| &object.key);
        Table::of(found.chain(self.settled.iter().map(|row| &row.key)))
    }
}

/// Finds the objects to release, and changes nothing. A kind that cannot be listed does not affect the others.
pub async fn find(client: &Client, selection: &Selection) -> Targets {
    let mut targets = Targets::default();
    if let Selection::Objects(keys) = selection {
        let mut keys = keys.clone();
        keys.sort_by_key(|key| KINDS.iter().position(|kind| *kind == key.kind));
        for key in keys {
            let state = match objects::get(client, &key).await {
                Ok(Some(object)) if object.has_finalizer() => {
                    targets.found.push(object);
                    continue;
                }
                Ok(Some(_)) => State::NoFinalizer,
                Ok(None) => State::NotFound,
                Err(error) => State::Failed(KubernetesError::from(error).to_string()),
            };
            targets.settled.push(Row { key, state });
        }
        return targets;
    }
    for kind in KINDS.into_iter().filter(|kind| selection.includes_kind(*kind)) {
        let is_selected = |object: &Found| object.has_finalizer() && selection.includes(object);
        let query = objects::Query {
            kind,
            namespace: selection.namespace(),
            with_connections: selection.is_by_connection(),
        };
        match objects::list(client, query, is_selected).await {
            Ok(found) => targets.found.extend(found),
            Err(kube::Error::Api(status)) if status.code == 404 => targets.missing.push(kind),
            Err(error) => targets.unlisted.push((kind, error.into())),
        }
    }
    targets
}

/// Releases the objects that were found. Calls `report` with the row of each object, in order. Returns all rows.
pub async fn release(client: &Client, targets: Targets, mut report: impl FnMut(&Row)) -> Vec<Row> {
    let Targets { found, settled, missing: _, unlisted: _ } = targets;
    let mut rows = settled;
    rows.iter().for_each(&mut report);
    for kind in KINDS {
        let of_kind = found.iter().filter(|object| object.key.kind == kind);
        let releases = of_kind.map(async |object| {
            let state = objects::release(client, object).await;
            Row { key: object.key.clone(), state }
        });
        let mut released = stream::iter(releases).buffered(CONCURRENCY);
        while let Some(row) = released.next().await {
            report(&row);
            rows.push(row);
        }
    }
    rows
}
