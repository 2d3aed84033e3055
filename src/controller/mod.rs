//! The Kubernetes host around the engine: watch, dereference, write status and Events.
//!
//! Nothing is decided here. [`watch`] brings objects to the engine, [`KubernetesHost`] records what it did.

mod catalogue;
mod certificates;
mod errors;
mod events;
mod host;
pub mod lease;
mod readable;
mod references;
pub mod release;
mod watch;

pub use catalogue::{feed_connections, feed_event_types};
pub use certificates::{CertificateConfig, keep_certificates};
pub use host::KubernetesHost;
pub use references::{
    feed_namespaces, watch_config_maps, watch_endpoint_secrets, watch_namespaces, watch_secrets,
};
pub use watch::{Watched, watch_in, watch_kind};

/// The name under which fields are managed, Events are reported and Leases are held.
pub const MANAGER: &str = "svix-operator";
