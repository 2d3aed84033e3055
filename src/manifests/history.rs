//! The published versions of schemas that a cluster keeps, for manifests that are compared with them.

use std::collections::HashMap;

use crate::plan::revision::{Published, Revision};

/// The published versions of schemas, by namespace and name of the event type.
pub type Histories = HashMap<(String, String), History>;

/// The published versions of the schema of an event type that another place keeps.
#[derive(Clone, Debug)]
pub enum History {
    /// The revisions, each with what was published; `None`: that is not kept.
    Versions(Vec<(Revision, Option<Published>)>),
    /// They cannot be read, for this reason.
    Unread(String),
}
