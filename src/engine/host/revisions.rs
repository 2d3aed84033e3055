//! Revisions of schemas in memory, for hosts that have no API server.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::plan::revision::{Published, Revision};

use super::{super::object::Object, HostError, RevisionWrite};

/// The revisions of event types, by the uid of the event type and the name of the revision.
#[derive(Debug, Default)]
pub struct MemoryRevisions(Mutex<BTreeMap<(String, String), Entry>>);

/// A revision, and what was published; `None`: that is not kept.
#[derive(Debug)]
struct Entry {
    revision: Revision,
    published: Option<Published>,
}

impl MemoryRevisions {
    /// As [`Host::revisions`](super::Host::revisions).
    #[must_use]
    pub fn list(&self, event_type: &Object) -> Vec<Revision> {
        let revisions = self.0.lock();
        let of_event_type = revisions.iter().filter(|((uid, _), _)| uid == event_type.uid());
        of_event_type.map(|(_, entry)| entry.revision.clone()).collect()
    }

    /// As [`Host::published`](super::Host::published).
    #[must_use]
    pub fn published(&self, event_type: &Object, name: &str) -> Option<Published> {
        self.0.lock().get(&id(event_type, name))?.published.clone()
    }

    /// As [`Host::write_revision`](super::Host::write_revision).
    pub fn write(&self, owner: &Object, write: RevisionWrite) -> Result<(), HostError> {
        let mut revisions = self.0.lock();
        match write {
            RevisionWrite::Create { revision, published } => {
                revisions.insert(id(owner, &revision.name), Entry { revision, published });
            }
            RevisionWrite::Renumber(revision) => {
                let Some(stored) = revisions.get_mut(&id(owner, &revision.name)) else {
                    return Err(HostError::Conflict);
                };
                stored.revision = revision;
            }
        }
        Ok(())
    }

    /// As [`Host::delete_revision`](super::Host::delete_revision).
    pub fn delete(&self, owner: &Object, name: &str) {
        self.0.lock().remove(&id(owner, name));
    }

    /// Removes the revisions of an event type that does not exist any more.
    pub fn forget(&self, owner: &Object) {
        self.0.lock().retain(|(uid, _), _| uid != owner.uid());
    }
}

fn id(owner: &Object, name: &str) -> (String, String) {
    (owner.uid().to_owned(), name.to_owned())
}
