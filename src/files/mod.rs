//! A folder of YAML as the source of the same objects that a cluster holds.
//!
//! Reading ([`yaml`]), checking what the API server would check ([`check`]), the folder as typed objects
//! ([`folder`]), noticing changes ([`watch`]) and telling people how it stands ([`table`]). No Svix and no
//! Kubernetes here.

pub mod check;
pub mod folder;
mod object;
mod problem;
pub mod table;
mod walk;
pub mod watch;
mod words;
pub mod yaml;

pub use folder::{Loaded, load};
pub use problem::{Declared, ObjectId, Origin, Problem};
