//! Manifests without a cluster: the engine's objects come from a folder of YAML. No Kubernetes client is used here.
//!
//! The way of a manifest, from the file to the table of `dev`:
//!
//! 1. [`watch`] reports that the folder changed.
//! 2. [`load`] reads it: [`yaml`] as kubectl reads it, [`check`] as an API server checks it. The result is [`Loaded`].
//! 3. [`DesiredState`] is what the folder declares; objects with a mistake keep their previous state.
//! 4. [`ManifestRunner`] runs the engine on it, with [`ManifestHost`] as the engine's host.
//! 5. [`StatusRows`] makes a [`report`] from the status of the objects and from the mistakes in files; [`table`] formats
//!    it.
//!
//! [`CatalogueSource`] feeds the catalogue of the gateway from what step 2 returns.

mod catalogue_source;
pub mod check;
mod connections;
pub mod declarations;
mod desired_state;
mod folder;
mod history;
mod host;
mod loaded;
mod messages;
mod misspelled;
mod nulls;
mod object;
mod problem;
mod read;
pub mod report;
mod runner;
mod schema_warnings;
mod secret_values;
mod settle;
mod source_map;
mod status_rows;
pub mod table;
mod unreachable;
mod walk;
pub mod watch;
pub mod yaml;

pub use catalogue_source::{CatalogueProblem, CatalogueSource};
pub use connections::{MissingConnection, missing_connection};
pub use declarations::UnusableSchema;
pub use desired_state::{DesiredState, Server};
pub use folder::{Input, Interrupted, load, load_all, load_until};
pub use history::{Histories, History};
pub use host::{KeptNamespaces, Listener, ManifestHost, Notification, References, with_meta};
pub use loaded::{ConfigMapTexts, Loaded, NoManifests, counted};
pub use problem::{Located, ObjectId, Origin, Position, Problem, UnusableConnection, Violation};
pub use read::{ReadError, decode, read as read_text, read_bytes};
pub use report::State;
pub use runner::ManifestRunner;
pub use secret_values::SecretValues;
pub use settle::{Deliveries, Settling};
pub use source_map::SourceMap;
pub use status_rows::{StatusRows, state};
pub use unreachable::unreachable_endpoints;
pub use walk::find as files;
