//! Takes our finalizer off objects, as before an uninstall, and leaves Svix as it is.
//!
//! Everything that is to be released is found before the first object is changed: a list that would be read while it
//! changes need not be begun again, and a dry run is the first half of the real one. Objects are never read whole, so one
//! that the operator could not read is released like any other; other finalizers are left alone. An operator that
//! runs would take the objects back: see [`lease::living_holder`](super::lease::living_holder).

mod cluster;
mod report;
mod select;

use futures::{StreamExt as _, stream};
use kube::Client;

use crate::engine::Kind;

use super::errors::describe;

use cluster::{Found, get, list};
pub use report::{Row, State, Table, json};
pub use select::{Selection, object_key};

/// The kinds that our finalizer is on, in the order in which they are released: a connection is held while objects use
/// it, and an endpoint needs its event types.
pub const KINDS: [Kind; 3] = [Kind::EventType, Kind::Endpoint, Kind::Connection];

/// How many objects are released at once: many times faster than one by one, and far from what an API server minds.
const AT_ONCE: usize = 16;

/// What a selection comes to.
#[derive(Debug, Default)]
pub struct Lot {
    /// Objects that our finalizer is on, in the order in which they are released.
    found: Vec<Found>,
    /// Objects that were asked for by name and need nothing, or cannot be had.
    settled: Vec<Row>,
    /// Kinds that the cluster does not know: their CRD is not installed, so nothing of them is there.
    pub missing: Vec<Kind>,
    /// Kinds that could not be listed, with the API server's words.
    pub unlisted: Vec<(Kind, String)>,
}

impl Lot {
    /// Whether there is anything to release, or may be: of a kind that cannot be listed nobody knows.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !(self.found.is_empty() && self.unlisted.is_empty())
    }

    /// What a release would come to.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let would = |object: &Found| Row { key: object.key.clone(), state: State::WouldBeReleased };
        self.settled.iter().cloned().chain(self.found.iter().map(would)).collect()
    }
}

/// Finds what is to be released. Changes nothing. A kind that cannot be listed does not keep the others from it.
pub async fn find(client: &Client, selection: &Selection) -> Lot {
    let mut lot = Lot::default();
    if let Selection::Objects(keys) = selection {
        let mut keys = keys.clone();
        keys.sort_by_key(|key| KINDS.iter().position(|kind| *kind == key.kind));
        for key in keys {
            let state = match get(client, &key).await {
                Ok(Some(object)) if object.has_finalizer() => {
                    lot.found.push(object);
                    continue;
                }
                Ok(Some(_)) => State::NotHeld,
                Ok(None) => State::NotFound,
                Err(error) => State::Failed(describe(&error)),
            };
            lot.settled.push(Row { key, state });
        }
        return lot;
    }
    for kind in KINDS.into_iter().filter(|kind| selection.concerns(*kind)) {
        let chosen = |object: &Found| object.has_finalizer() && selection.chooses(object);
        match list(client, kind, selection.namespace(), selection.by_connection(), chosen).await {
            Ok(found) => lot.found.extend(found),
            Err(kube::Error::Api(status)) if status.code == 404 => lot.missing.push(kind),
            Err(error) => lot.unlisted.push((kind, describe(&error))),
        }
    }
    lot
}

/// Releases what was found: event types, then endpoints, then connections. `tell` is called with what became of each
/// object, in order. What went away meanwhile needs no release; what others write meanwhile stays as they wrote it.
pub async fn release(client: &Client, lot: Lot, mut tell: impl FnMut(&Row)) -> Vec<Row> {
    let Lot { found, settled, missing: _, unlisted: _ } = lot;
    let mut rows = settled;
    rows.iter().for_each(&mut tell);
    for kind in KINDS {
        let of_kind = found.iter().filter(|object| object.key.kind == kind);
        let releases = of_kind.map(async |object| {
            let state = cluster::release(client, object).await;
            Row { key: object.key.clone(), state }
        });
        let mut done = stream::iter(releases).buffered(AT_ONCE);
        while let Some(row) = done.next().await {
            tell(&row);
            rows.push(row);
        }
    }
    rows
}
