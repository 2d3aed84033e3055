//! The admission webhook: judges what is about to be stored in Kubernetes, and serves that over HTTPS.
//!
//! [`review()`] is pure: a request and what is known go in, an answer comes out. [`server`] brings it to the network,
//! [`certificates`] keeps the server's certificate. Nothing here talks to Kubernetes; `controller` does that.

pub mod certificates;
mod judge;
mod messages;
mod review;
pub mod server;
mod wire;

use std::{collections::BTreeSet, sync::Arc};

use crate::catalogue::{Catalogue, Directory};

pub use review::{Outcome, Reviewed, review};

/// What is known of the cluster when something is judged. Cheap to clone; kept current from outside.
#[derive(Clone, Default)]
pub struct Known {
    /// The schemas of event types.
    pub catalogue: Catalogue,
    /// Who declares event types, and the connections.
    pub directory: Directory,
    /// The namespaces that the operator of this release watches; `None`: all.
    pub namespaces: Option<Arc<BTreeSet<String>>>,
}
