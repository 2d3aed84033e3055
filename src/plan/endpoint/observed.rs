//! The observed endpoint in Svix, and its ownership.

use std::{collections::BTreeSet, sync::Arc};

use crate::api::{OWNER_METADATA_KEY, PREPARING_METADATA_KEY};

/// An endpoint in Svix, as the mirror keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    /// Id, given by Svix. Shared, because the mirror has it in several places.
    pub id: Arc<str>,
    /// Uid, given by its creator.
    pub uid: Option<Arc<str>>,
    /// The address.
    pub url: Box<str>,
    /// The description.
    pub description: Box<str>,
    /// The event types, sorted; `None`: all.
    pub event_types: Option<Box<[Box<str>]>>,
    /// The channels, sorted; `None`: all.
    pub channels: Option<Box<[Box<str>]>>,
    /// Messages per second.
    pub throttle_rate: Option<u16>,
    /// Whether disabled.
    pub disabled: bool,
    /// Metadata, sorted by key.
    pub metadata: Box<[(Box<str>, Box<str>)]>,
    /// When it last changed, in microseconds since 1970; 0 where the server does not say. It also changes with writes that
    /// lists do not show otherwise: of headers and of the signing key.
    pub updated_at: i64,
}

impl Observed {
    /// A metadata value.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(found, _)| &**found == key).map(|(_, value)| &**value)
    }

    /// Whether events of a type on these channels are delivered to it. An endpoint without channels receives them all, one
    /// with channels only those that share one.
    #[must_use]
    pub fn receives(&self, event_type: &str, channels: Option<&BTreeSet<String>>) -> bool {
        !self.disabled
            && self.event_types.as_ref().is_none_or(|all| all.iter().any(|name| &**name == event_type))
            && self.channels.as_ref().is_none_or(|mine| {
                channels.is_some_and(|its| mine.iter().any(|channel| its.contains(&**channel)))
            })
    }

    /// Whether it is still being created, and not enabled yet.
    #[must_use]
    pub fn is_preparing(&self) -> bool {
        self.metadata(PREPARING_METADATA_KEY).is_some()
    }

    /// The owner mark.
    #[must_use]
    pub fn mark(&self) -> Option<&str> {
        self.metadata(OWNER_METADATA_KEY)
    }
}

/// The ownership of an endpoint in Svix, seen from one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It is this object's: it carries its mark, or status names its id, or its mark is of a deleted object of the same
    /// namespace.
    Ours,
    /// It carries no mark, or that of a deleted object of another namespace.
    Nobody,
    /// It carries the mark of another existing object of the same `ownerId`, which keeps it.
    OtherObject,
    /// It carries the mark of another `ownerId`.
    OtherOwner,
}

/// Returns the ownership of an endpoint: by its mark, and by the id that status records where the mark was lost.
/// `of_other` decides about another mark.
#[must_use]
pub fn ownership(
    observed: &Observed,
    mark: &str,
    recorded_id: Option<&str>,
    of_other: impl FnOnce(&str) -> Ownership,
) -> Ownership {
    match observed.mark() {
        Some(found) if found == mark => Ownership::Ours,
        None if recorded_id == Some(&*observed.id) => Ownership::Ours,
        None => Ownership::Nobody,
        Some(found) => of_other(found),
    }
}
