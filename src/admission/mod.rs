//! The admission webhook: validates objects before the API server stores them.
//!
//! [`review()`] is pure: it takes a request and the known state of the cluster, and returns the response. [`server`] serves
//! it over HTTPS, and [`certificates`] manages the server's certificate. [`judge`] has the rules, for those that have the
//! objects already. This module does not call the Kubernetes API; `controller` does.

pub mod certificates;
mod draft;
mod endpoints;
mod history;
mod intake;
pub mod judge;
mod limits;
mod messages;
mod response;
mod review;
pub mod server;
mod unreadable;
mod wire;

use std::{collections::BTreeSet, sync::Arc};

use crate::catalogue::{Catalogue, Directory};

pub use endpoints::ReceivingEndpoints;
pub use history::{EventTypeId, SchemaHistory};
pub use messages::Problem;
pub use response::{Outcome, Reviewed};
pub use review::{memory, review};

/// The state of the cluster that reviews need. Cheap to clone; others keep it up to date.
#[derive(Clone, Default)]
pub struct Known {
    /// The schemas of event types.
    pub catalogue: Catalogue,
    /// The declared event types and their objects, and the connections.
    pub directory: Directory,
    /// The endpoints that receive events.
    pub endpoints: ReceivingEndpoints,
    /// The namespaces that the operator of this release watches; `None` means all.
    pub namespaces: Option<Arc<BTreeSet<String>>>,
    /// Where the published versions of schemas are kept; `None`: a new schema is compared with the one before alone.
    pub history: Option<Arc<dyn SchemaHistory>>,
}
