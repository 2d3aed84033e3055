//! The cluster around the engine: watches, contents that objects refer to, claims, status and Events.
//!
//! Nothing is decided here. [`watch_kind`] brings objects to the engine, and [`KubernetesHost`] writes what the engine
//! decides. For the sidecar, the same watches keep the catalogue up to date, and [`keep_certificates`] its certificates.

mod catalogue;
mod certificates;
mod credential;
mod errors;
mod events;
mod finalizer;
mod host;
pub mod lease;
mod manager;
mod objects;
mod readable;
mod referenced;
mod references;
pub mod release;
pub mod revisions;
#[cfg(test)]
mod scripted;
mod watch;

pub use catalogue::{feed_connections, feed_endpoints, feed_event_types};
pub use certificates::{CertificateConfig, keep_certificates};
pub use credential::describe_credential;
pub use errors::KubernetesError;
pub use host::KubernetesHost;
pub use objects::{Watched, watch_in, watch_kind};
pub use referenced::get_opt;
pub use references::{
    feed_namespaces, watch_config_maps, watch_endpoint_secrets, watch_namespaces, watch_secrets,
};
