//! A folder of YAML as the source of the same objects that a cluster holds.
//!
//! Reading ([`yaml`]), checking what the API server would check ([`check`]), the folder as typed objects
//! ([`folder`]), noticing changes ([`watch`]), the engine at work on it ([`Session`]), and telling people how it
//! stands ([`table`]). No Kubernetes here.

pub mod check;
mod declared;
mod feed;
pub mod folder;
mod object;
mod places;
mod problem;
mod rows;
mod session;
mod shell;
pub mod table;
mod walk;
pub mod watch;
mod words;
pub mod yaml;

pub use declared::{Declaration, Server, declared};
pub use feed::Feed;
pub use folder::{Loaded, load};
pub use problem::{Declared, ObjectId, Origin, Problem};
pub use rows::{View, state};
pub use session::Session;
pub use shell::{FolderShell, Listener, RELEASED, References, with_meta};
