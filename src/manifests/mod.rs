//! A folder of YAML as the source of the same objects that a cluster holds.
//!
//! Reading ([`yaml`]), checking what the API server would check ([`check`]), the folder as typed objects
//! ([`folder`]), noticing changes ([`watch`]), the engine at work on it ([`Session`]), and telling people how it
//! stands ([`table`]). No Kubernetes here.

mod catalogue_source;
pub mod check;
mod desired_state;
pub mod folder;
mod host;
mod messages;
mod object;
mod problem;
mod session;
mod source_map;
mod status_rows;
pub mod table;
mod walk;
pub mod watch;
pub mod yaml;

pub use catalogue_source::Feed;
pub use desired_state::{Declaration, Server, declared};
pub use folder::{Loaded, load};
pub use host::{Listener, ManifestHost, RELEASED, References, with_meta};
pub use problem::{Declared, ObjectId, Origin, Problem};
pub use session::Session;
pub use status_rows::{View, state};
